package meta

import (
	"strings"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func (m *Role) updateAppEnv(req *wire.UpdateAppEnvRequest, resp *wire.HintResponse) {
	hint := ""
	change, err := envChange(req)
	if err == nil {
		err = m.Catalog.ChangeEnvs(req.AppName, func(envs map[string]string) error {
			hint = change(envs)
			return nil
		})
	}
	resp.Err, resp.Hint = catalog.Outcome(err)
	switch resp.Err {
	case wire.ErrOK:
		resp.Hint = hint
	case wire.ErrAppNotExist:
		resp.Err, resp.Hint = wire.ErrInvalidParameters, "invalid app name"
	}
}

// envChange returns what changes an environment as the request asks for, and
// returns a hint.
func envChange(req *wire.UpdateAppEnvRequest) (func(envs map[string]string) (hint string), error) {
	switch req.Op {
	case wire.AppEnvSet:
		if req.Keys == nil || req.Values == nil || len(*req.Keys) != len(*req.Values) || len(*req.Keys) == 0 {
			return nil, catalog.Refuse(wire.ErrInvalidParameters, "keys and values must be of the same number, at least one")
		}
		for i, key := range *req.Keys {
			if hint := catalog.CheckEnv(key, (*req.Values)[i]); hint != "" {
				return nil, catalog.Refuse(wire.ErrInvalidParameters, "%s", hint)
			}
		}
		return func(envs map[string]string) string { return setEnvs(envs, *req.Keys, *req.Values) }, nil
	case wire.AppEnvDel:
		if req.Keys == nil || len(*req.Keys) == 0 {
			return nil, catalog.Refuse(wire.ErrInvalidParameters, "keys must not be empty")
		}
		return func(envs map[string]string) string { return deleteEnvs(envs, *req.Keys) }, nil
	case wire.AppEnvClear:
		if req.ClearPrefix == nil {
			return nil, catalog.Refuse(wire.ErrInvalidParameters, "clear_prefix must be set")
		}
		return func(envs map[string]string) string { return clearEnvs(envs, *req.ClearPrefix) }, nil
	}
	return nil, catalog.Refuse(wire.ErrInvalidParameters, "unknown operation")
}

func setEnvs(envs map[string]string, keys, values []string) string {
	for i, key := range keys {
		envs[key] = values[i]
	}
	return ""
}

func deleteEnvs(envs map[string]string, keys []string) string {
	var deleted []string
	for _, key := range keys {
		if _, ok := envs[key]; ok {
			delete(envs, key)
			deleted = append(deleted, key)
		}
	}
	return deletedHint(deleted)
}

// clearEnvs deletes the names that begin with prefix and a dot, or all if
// prefix is empty.
func clearEnvs(envs map[string]string, prefix string) string {
	var deleted []string
	for key := range envs {
		if prefix == "" || strings.HasPrefix(key, prefix+".") && len(key) > len(prefix)+1 {
			delete(envs, key)
			deleted = append(deleted, key)
		}
	}
	return deletedHint(deleted)
}

func deletedHint(deleted []string) string {
	if len(deleted) == 0 {
		return "no key needs to be deleted"
	}
	return "deleted keys:\n    " + strings.Join(deleted, "\n    ")
}
