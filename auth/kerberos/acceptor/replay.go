package acceptor

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

var errReplay = errors.New("this was shown before, perhaps by whoever reads the network")

// shown is what clients have shown, for as long as it could be shown again: without it who has recorded
// a client that wants no proof, as that of Java, could be that client. Each is of a client
// that has a ticket, so that nobody else makes it grow.
type shown struct {
	mu   sync.Mutex
	last map[[sha256.Size]byte]struct{} // since began
	old  map[[sha256.Size]byte]struct{} // before
	// When last was begun with. It is old after a while.
	began time.Time
}

// first notes what was shown, which nobody accepts any more after a while. It is an error if it
// was shown before.
func (s *shown) first(what []byte, now time.Time, while time.Duration) error {
	sum := sha256.Sum256(what)
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := now.Sub(s.began); s.last == nil || d >= while || d < 0 {
		s.old, s.last = s.last, make(map[[sha256.Size]byte]struct{})
		s.began = now
	}
	_, again := s.last[sum]
	_, before := s.old[sum]
	if again || before {
		return errReplay
	}
	s.last[sum] = struct{}{}
	return nil
}
