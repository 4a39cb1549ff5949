package console

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Page answers an HTTP request.
func (c *Console) Page(path string, query url.Values) (status int, body string) {
	path = strings.Trim(path, "/")
	if own := c.Pages[path]; own != nil {
		return own(query)
	}
	switch path {
	case "health":
		return c.health()
	case "version":
		return http.StatusOK, JSON(map[string]string{"Version": serverVersion, "GitCommit": revision()})
	case "recentStartTime":
		return http.StatusOK, JSON(map[string]string{"RecentStartTime": c.Started.Format(time.DateTime)})
	case "configs":
		return c.allSettings(query)
	case "config":
		return c.oneSetting(query)
	case "updateConfig":
		return c.updateSetting(query)
	}
	return http.StatusNotFound, fmt.Sprintf("service not found for %q", path)
}

// health is for what watches over a onebox; no Pegasus server has it. A store that
// takes no writes until it is opened anew is a failure, a disk that is full is not:
// a restart would not help.
func (c *Console) health() (int, string) {
	state, reason, failed := c.Health()
	page := map[string]string{"status": state}
	if reason != "" {
		page["reason"] = reason
	}
	if failed {
		return http.StatusServiceUnavailable, JSON(page)
	}
	return http.StatusOK, JSON(page)
}

// Setting is a setting in the form in which servers show theirs. All its fields
// are texts: tools refuse anything else.
type Setting struct {
	Name        string `json:"name"`
	Section     string `json:"section"`
	Type        string `json:"type"`
	Tags        string `json:"tags"` // Mutable or none
	Description string `json:"description"`
	Value       string `json:"value"`
	// Get and Set, if there are any, are those of a setting that can be changed while
	// the server runs. Set refuses an illegal value.
	Get func() string      `json:"-"`
	Set func(string) error `json:"-"`
}

// Mutable is the tag of settings that can be changed, by which tools find them.
const Mutable = "flag_tag::FT_MUTABLE"

func (c *Console) setting(name string) (Setting, bool) {
	i := slices.IndexFunc(c.Settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return c.Settings[i].now(), true
}

// now returns the setting as it is now.
func (s Setting) now() Setting {
	if s.Set != nil {
		s.Tags, s.Value = Mutable, s.Get()
	}
	return s
}

func (c *Console) allSettings(query url.Values) (int, string) {
	if len(query) > 0 {
		return http.StatusBadRequest, ""
	}
	m := make(map[string]Setting)
	for _, s := range c.Settings {
		m[s.Name] = s.now()
	}
	return http.StatusOK, JSON(m)
}

func (c *Console) oneSetting(query url.Values) (int, string) {
	name := query.Get("name")
	if len(query) > 1 || len(query) == 1 && !query.Has("name") {
		return http.StatusBadRequest, ""
	}
	s, ok := c.setting(name)
	if !ok {
		return http.StatusOK, fmt.Sprintf("ERR_OBJECT_NOT_FOUND: %s is not found", name)
	}
	return http.StatusOK, JSON(s)
}

// updateSetting changes a setting that can be changed.
func (c *Console) updateSetting(query url.Values) (int, string) {
	status := "ERR_INVALID_PARAMETERS: there should be exactly one config to be updated once"
	if len(query) == 1 {
		name := slices.Collect(maps.Keys(query))[0]
		status = fmt.Sprintf("ERR_OBJECT_NOT_FOUND: %s is not found", name)
		switch s, ok := c.setting(name); {
		case ok && s.Set == nil:
			status = fmt.Sprintf("ERR_INVALID_PARAMETERS: %s is not mutable", name)
		case ok:
			if status = "ERR_OK"; s.Set(query.Get(name)) != nil {
				status = "ERR_INVALID_PARAMETERS: " + name + " invalid"
			}
		}
	}
	return http.StatusOK, JSON(map[string]string{"update_status": status})
}
