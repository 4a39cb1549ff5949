//go:build unix

package fullscreen

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

// look is how long a look for keys takes, in milliseconds: so long does Close wait.
const look = 50

// readKeys reads keys until the screen is closed. It waits for them outside of Read, from
// which there is no way back.
func (s *Screen) readKeys() {
	buf := make([]byte, 256)
	for {
		select {
		case <-s.stop:
			return
		default:
		}
		fds := []unix.PollFd{{Fd: int32(s.in.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, look); err != nil && err != unix.EINTR {
			return
		} else if n <= 0 {
			continue
		}
		n, err := s.in.Read(buf)
		if err != nil || n == 0 {
			s.press("interrupt") // the terminal has gone
			return
		}
		for _, key := range split(buf[:n]) {
			if key == suspendKey {
				s.suspend()
				continue
			}
			s.press(key)
		}
	}
}

// signals asks for signals, and returns what gives the terminal back before the program is
// stopped, and takes it when it goes on, until the screen is closed.
func (s *Screen) signals() (watch func()) {
	stops, resized := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTSTP)
	signal.Notify(resized, syscall.SIGWINCH)
	return func() {
		defer signal.Stop(stops)
		defer signal.Stop(resized)
		for {
			select {
			case <-s.stop:
				return
			case <-stops:
				s.suspend()
			case <-resized:
				s.again()
			}
		}
	}
}

// suspend stops the program as Ctrl-Z does, with the terminal given back until it goes on.
// Some threads run on for a moment after the signal: only its end tells that it was.
func (s *Screen) suspend() {
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, syscall.SIGCONT)
	defer signal.Stop(goesOn)
	s.giveBack()
	if syscall.Kill(os.Getpid(), syscall.SIGSTOP) == nil {
		select {
		case <-goesOn:
		case <-s.stop:
			return
		}
	}
	if s.take() == nil {
		s.again()
	}
}
