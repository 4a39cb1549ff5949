package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus"
)

// A profile is one hash key: its fields, how often it was looked at today, and a log of events,
// the newest first.
type profile struct {
	Mail  string            `json:"mail"`
	Views int64             `json:"views_today,omitempty"`
	More  map[string]string `json:"fields,omitempty"`
}

func profileKey(user string) []byte { return []byte("profile/" + user) }

var fieldsKey = []byte("fields")

const eventPrefix = "event/"

func (s *service) putProfile(r *http.Request) (any, error) {
	var p profile
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	user := r.PathValue("user")
	if p.Mail == "" {
		return nil, status(http.StatusBadRequest)
	}
	fields, err := json.Marshal(profile{Mail: p.Mail, More: p.More})
	if err != nil {
		return nil, err
	}
	// Nobody else has this mail address, nor gets it while the profile is written.
	err = s.mails.Insert(r.Context(), []byte(p.Mail), []byte(user), func(ctx context.Context) error {
		return s.table.Set(ctx, profileKey(user), fieldsKey, fields)
	})
	if err == nil {
		s.note(r.Context(), user, "changed the profile")
	}
	return p, err
}

func (s *service) getProfile(r *http.Request) (any, error) {
	user := r.PathValue("user")
	fields, found, err := s.table.AppendGet(r.Context(), nil, profileKey(user), fieldsKey)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, status(http.StatusNotFound)
	}
	var p profile
	if err := json.Unmarshal(fields, &p); err != nil {
		return nil, err
	}
	today := []byte("views/" + time.Now().UTC().Format(time.DateOnly))
	if p.Views, err = s.table.IncrTTL(r.Context(), profileKey(user), today, 1, 48*time.Hour); err != nil {
		log.Print("views: ", err) // the profile is what counts
	}
	return p, nil
}

// note adds an event to the log of a user, which is kept for a month. It is not worth failing
// for.
func (s *service) note(ctx context.Context, user, event string) {
	// Descending numbers, so that the newest comes first.
	key := fmt.Appendf(nil, "%s%020d", eventPrefix, 1<<62-time.Now().UnixNano())
	if err := s.table.SetTTL(ctx, profileKey(user), key, []byte(event), 30*24*time.Hour); err != nil {
		log.Print("event: ", err)
	}
}

// getEvents returns a page of events, and the link to the next one.
func (s *service) getEvents(r *http.Request) (any, error) {
	size, err := strconv.Atoi(r.FormValue("size"))
	if err != nil {
		size = 20
	}
	user := r.PathValue("user")
	page, err := s.table.Page(r.Context(), profileKey(user), pegasus.Select{Prefix: []byte(eventPrefix)},
		pegasus.Cursor(r.FormValue("after")), min(size, 100))
	if err != nil {
		return nil, err
	}
	out := struct {
		Events []string `json:"events"`
		Next   string   `json:"next,omitempty"`
	}{Events: []string{}}
	for _, row := range page.Rows {
		out.Events = append(out.Events, string(row.Value))
	}
	if page.Next != "" {
		out.Next = fmt.Sprintf("/profiles/%s/events?size=%d&after=%s", url.PathEscape(user), size, url.QueryEscape(string(page.Next)))
	}
	return out, nil
}
