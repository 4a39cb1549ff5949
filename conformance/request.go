package conformance

import (
	"encoding/json"
	"fmt"
)

// request builds the request of a data step.
func (s *scope) request(t *table, step Step) (*Request, error) {
	if step.RPC == "raw" {
		return s.rawRequest(t, step)
	}
	def := rpcNamed(step.RPC)
	if def == nil {
		return nil, fmt.Errorf("unknown rpc %q", step.RPC)
	}
	args := map[string]any{}
	for name, v := range step.Args {
		switch name {
		case "route", "route_hash_key", "oneway": // where and how, not what
		default:
			args[name] = v
		}
	}
	var hash uint64
	if addressesRecord(def) {
		key, err := keyOf(args)
		if err != nil {
			return nil, err
		}
		hash = rawKeyHash(key)
		delete(args, "hash_key")
		delete(args, "sort_key")
		delete(args, "raw_key")
		args["key"] = map[string]any{"hex": fmt.Sprintf("%x", key)}
	} else {
		var err error
		if hash, err = hashOf(step); err != nil {
			return nil, err
		}
	}
	arg, err := s.argument(def, args)
	if err != nil {
		return nil, err
	}
	return s.routed(t, step, hash, &Request{Code: def.code, Arg: arg})
}

// argument builds the argument of an RPC, which is a request struct or a single value.
func (s *scope) argument(def *rpcDef, args map[string]any) (any, error) {
	if def.arg.kind == kindStruct {
		return s.structure(def.arg.def, args)
	}
	v, ok := args[def.argName]
	if !ok || len(args) != 1 {
		return nil, fmt.Errorf("%s takes one argument, %s", def.code, def.argName)
	}
	return s.value(def.arg, v)
}

// addressesRecord reports whether an RPC addresses one record by its raw key.
func addressesRecord(def *rpcDef) bool {
	if def.arg.kind == kindStruct {
		_, ok := def.arg.def.byName["key"]
		return ok
	}
	return def.argName == "key"
}

// rawRequest builds a get request under the name of another RPC.
func (s *scope) rawRequest(t *table, step Step) (*Request, error) {
	key, err := keyOf(step.Args)
	if err != nil {
		return nil, err
	}
	body, err := appendWrapped(nil, 1, iface.types["blob"], key)
	if err != nil {
		return nil, err
	}
	name, _ := step.Args["rpc_name"].(string)
	return s.routed(t, step, rawKeyHash(key), &Request{Code: name, Body: body})
}

// hashOf returns the partition hash of a step that addresses no single record; 0 if it does not tell one.
func hashOf(step Step) (uint64, error) {
	hashKey := step.Args["hash_key"]
	if h, ok := step.Args["route_hash_key"]; ok {
		hashKey = h
	}
	if keys, ok := step.Args["keys"].([]any); ok && hashKey == nil && len(keys) > 0 {
		if first, ok := keys[0].(map[string]any); ok {
			hashKey = first["hash_key"]
		}
	}
	if start, ok := step.Args["start_key"]; ok {
		raw, err := scanBound(start)
		return rawKeyHash(raw), err
	}
	if hashKey == nil {
		return 0, nil
	}
	b, err := bytesOf(hashKey)
	return keyHash(b, nil), err
}

// routed fills in where q goes: to the partition that hash belongs to, unless the step has a route.
func (s *scope) routed(t *table, step Step, hash uint64, q *Request) (*Request, error) {
	partition := t.partitionOf(hash)
	appID := t.id
	route, _ := step.Args["route"].(map[string]any)
	for name, v := range route {
		switch name {
		case "hash_key", "other_partition_of":
			b, err := bytesOf(v)
			if err != nil {
				return nil, fmt.Errorf("route: %w", err)
			}
			partition = t.partitionOf(keyHash(b, nil))
			if name == "other_partition_of" {
				partition = (partition + 1) % t.count()
			}
		case "partition", "app_id":
			n, err := s.integer(v)
			if err != nil {
				return nil, fmt.Errorf("route: %w", err)
			}
			if name == "partition" {
				partition = int32(n)
			} else {
				appID = int32(n)
			}
		case "partition_hash":
		default:
			return nil, fmt.Errorf("route by %q is unknown", name)
		}
	}
	q.AppID, q.PartitionIndex, q.ThreadHash = appID, partition, appID*7919+partition
	if partition == t.partitionOf(hash) { // a real server does not survive a wrong one
		q.PartitionHash = hash
	}
	if n, ok := route["partition_hash"].(json.Number); ok {
		given, err := n.Int64()
		if err != nil {
			return nil, fmt.Errorf("route: %w", err)
		}
		q.PartitionHash = uint64(given)
	}
	return q, nil
}
