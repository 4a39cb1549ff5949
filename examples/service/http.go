package main

import (
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/recipe"
)

// service has one table for everything. Hash keys begin with what they are of:
// "session/", "profile/", "mail/", "limit/", "job/".
type service struct {
	table   *pegasus.Table
	mails   *recipe.UniqueIndex
	limiter *recipe.Limiter
}

func newService(t *pegasus.Table) *service {
	return &service{
		table:   t,
		mails:   &recipe.UniqueIndex{Table: t, Prefix: "mail/"},
		limiter: &recipe.Limiter{Table: t, Prefix: "limit/", Limit: 100, Window: time.Minute, FailOpen: true},
	}
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sessions", s.answer(s.postSession))
	mux.HandleFunc("GET /sessions/{id}", s.answer(s.getSession))
	mux.HandleFunc("DELETE /sessions/{id}", s.answer(s.deleteSession))
	mux.HandleFunc("PUT /profiles/{user}", s.answer(s.putProfile))
	mux.HandleFunc("GET /profiles/{user}", s.answer(s.getProfile))
	mux.HandleFunc("GET /profiles/{user}/events", s.answer(s.getEvents))
	return s.limit(mux)
}

// limit refuses clients that ask too often.
func (s *service) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		d, err := s.limiter.Allow(r.Context(), []byte(host))
		if err != nil {
			log.Print("rate limit: ", err) // and it is allowed
		}
		if !d.Allowed {
			w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAfter/time.Second)+1))
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// status is an error that a client is told.
type status int

func (s status) Error() string { return http.StatusText(int(s)) }

// answer sends what f returns as JSON.
func (s *service) answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		var code status
		switch {
		case err == nil:
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(v); err != nil {
				log.Print(err)
			}
		case errors.As(err, &code):
			http.Error(w, code.Error(), int(code))
		case errors.Is(err, recipe.ErrTaken):
			http.Error(w, "the mail address is taken", http.StatusConflict)
		case errors.Is(err, pegasus.ErrInvalidArgument), errors.Is(err, pegasus.ErrCursorMismatch), errors.Is(err, pegasus.ErrCursorDamaged):
			http.Error(w, "bad request", http.StatusBadRequest)
		default: // whether it was done or not: all requests here can be repeated
			log.Print(err)
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	}
}

// decode reads the body of a request.
func decode(r *http.Request, v any) error {
	if json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10)).Decode(v) != nil {
		return status(http.StatusBadRequest)
	}
	return nil
}
