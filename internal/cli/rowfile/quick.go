package rowfile

import "bytes"

// quick parses a row in the very form in which this package and scan write it, where strings
// have no escapes but \" and \\. It is for speed: ok is false for all other lines, which
// parseLine reads, and where both can read a line they agree.
func quick(text []byte) (texts [3]string, expires string, ok bool) {
	for i, name := range [3]string{`{"hk":"`, `,"sk":"`, `,"value":"`} {
		if text, ok = bytes.CutPrefix(text, []byte(name)); !ok {
			return texts, "", false
		}
		if texts[i], text, ok = quickString(text); !ok {
			return texts, "", false
		}
	}
	if string(text) == `,"expires":null}` {
		return texts, "", true
	}
	if text, ok = bytes.CutPrefix(text, []byte(`,"expires":"`)); !ok {
		return texts, "", false
	}
	expires, text, ok = quickString(text)
	return texts, expires, ok && expires != "" && string(text) == "}"
}

// quickString returns the string that text begins with, up to its quote, and what is behind.
func quickString(text []byte) (s string, rest []byte, ok bool) {
	end, escapes := 0, 0
	for ; end < len(text) && text[end] != '"'; end++ {
		switch c := text[end]; {
		case c < ' ':
			return "", nil, false
		case c == '\\':
			if end++; end == len(text) || text[end] != '"' && text[end] != '\\' {
				return "", nil, false
			}
			escapes++
		}
	}
	if end == len(text) {
		return "", nil, false
	}
	if escapes == 0 {
		return string(text[:end]), text[end+1:], true
	}
	b := make([]byte, 0, end-escapes)
	for i := 0; i < end; i++ {
		if text[i] == '\\' {
			i++
		}
		b = append(b, text[i])
	}
	return string(b), text[end+1:], true
}
