//go:build !unix

package fullscreen

// supported is false where keys cannot be waited for.
const supported = false

func (s *Screen) readKeys()       {}
func (s *Screen) signals() func() { return func() {} }
