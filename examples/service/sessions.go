package main

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/pegasus-go/pegasus"
)

// A session is an entry that expires half an hour after it was used last.
const sessionTTL = 30 * time.Minute

type session struct {
	ID   string `json:"id"`
	User string `json:"user"`
}

func sessionKey(id string) []byte { return []byte("session/" + id) }

var userKey = []byte("user")

func (s *service) postSession(r *http.Request) (any, error) {
	var in session
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.User == "" {
		return nil, status(http.StatusBadRequest)
	}
	in.ID = rand.Text()
	if err := s.table.SetTTL(r.Context(), sessionKey(in.ID), userKey, []byte(in.User), sessionTTL); err != nil {
		return nil, err
	}
	s.note(r.Context(), in.User, "logged in")
	return in, nil
}

func (s *service) getSession(r *http.Request) (any, error) {
	id := r.PathValue("id")
	absent := false
	user, err := s.table.Update(r.Context(), sessionKey(id), userKey, sessionTTL, func(cur pegasus.Current) ([]byte, error) {
		if absent = !cur.Exists; absent {
			return nil, pegasus.ErrSkip
		}
		return cur.Value, nil // with a new time to live
	})
	if err == nil && absent {
		err = status(http.StatusNotFound)
	}
	return session{id, string(user)}, err
}

func (s *service) deleteSession(r *http.Request) (any, error) {
	id := r.PathValue("id")
	return session{ID: id}, s.table.Del(r.Context(), sessionKey(id), userKey)
}
