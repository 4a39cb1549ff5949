package docs

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	other   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	inCode  = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
)

// anchors returns the headings of a document in the form in which links name them.
func anchors(text string) map[string]bool {
	found := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := other.ReplaceAllString(strings.ToLower(m[1]), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

// What documents link to in the repository is there.
func TestLinks(t *testing.T) {
	texts, checked := documents(t), 0
	for name, text := range texts {
		for _, m := range link.FindAllStringSubmatch(inCode.ReplaceAllString(text, ""), -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			file, anchor, hasAnchor := strings.Cut(target, "#")
			file = path.Join(path.Dir(name), file)
			if strings.HasPrefix(target, "#") {
				file = name
			}
			if _, err := os.Stat(path.Join(root, file)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, target)
				continue
			}
			if hasAnchor && !anchors(texts[file])[anchor] {
				t.Errorf("%s: %s has no heading %q", name, file, anchor)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d links", checked)
	}
}

func TestAnchors(t *testing.T) {
	got := anchors("# A `b` & c\n\ntext\n\n## What's next?\n")
	if !got["a-b--c"] || !got["whats-next"] || len(got) != 2 {
		t.Errorf("%v", got)
	}
}
