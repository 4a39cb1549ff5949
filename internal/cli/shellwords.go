package cli

import (
	"errors"
	"strings"
)

// splitWords returns the words of a line of the shell. Spaces are between words, unless
// they are in '...' or "..."; \" is a quotation mark in the latter. All other backslashes
// stay, since keys and values have them. What begins with # is a comment.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == ' ' || c == '\t' || c == '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		case c == '#' && !inWord:
			return words, nil
		case c == '\'' || c == '"':
			inWord = true
			n, err := quotedPart(&word, line[i:])
			if err != nil {
				return nil, err
			}
			i += n - 1
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quotedPart adds what is between quotation marks, and returns how long it is with them.
func quotedPart(word *strings.Builder, s string) (int, error) {
	mark := s[0]
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == mark:
			return i + 1, nil
		case c == '\\' && mark == '"' && i+1 < len(s) && s[i+1] == '"':
			word.WriteByte('"')
			i++
		case c == '\\' && mark == '"' && i+1 < len(s):
			word.WriteString(s[i : i+2]) // so that the second of two does not escape a mark
			i++
		default:
			word.WriteByte(c)
		}
	}
	return 0, errors.New("a " + string(mark) + " has no counterpart")
}

// quoteWord returns a word as splitWords takes it.
func quoteWord(word string) string {
	switch {
	case word != "" && !strings.ContainsAny(word, " \t\r'\"#"):
		return word
	case !strings.Contains(word, "'"):
		return "'" + word + "'"
	}
	return `'` + strings.ReplaceAll(word, `'`, `'"'"'`) + `'`
}
