package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/pegasus-go/pegasus"
)

// contents is what scans have found, by hash key and sort key.
type contents map[string]map[string][]byte

// scanAll scans the table with a few scanners at once. It reports entries that
// come twice.
func (s *soak) scanAll(ctx context.Context, table pegasus.TableConnector) (contents, error) {
	all, err := table.GetUnorderedScanners(ctx, 3, &pegasus.ScannerOptions{BatchSize: 100})
	if err != nil {
		return nil, err
	}
	found := make(contents)
	var mu sync.Mutex // guards found and first
	var first error
	var wg sync.WaitGroup
	for _, sc := range all {
		wg.Go(func() {
			defer sc.Close()
			for {
				done, hashKey, sortKey, v, err := sc.Next(ctx)
				mu.Lock()
				if err != nil && first == nil {
					first = err
				}
				if done || first != nil {
					mu.Unlock()
					return
				}
				h, k := string(hashKey), string(sortKey)
				if found[h] == nil {
					found[h] = make(map[string][]byte)
				}
				if _, again := found[h][k]; again {
					s.report.duplicated(1, "scan: %s/%s came twice", h, k)
				}
				found[h][k] = v
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return found, first
}

// scanBesideLoad expects of a scan while everything changes what has not changed.
func (s *soak) scanBesideLoad(table pegasus.TableConnector) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := s.scanAll(ctx, table)
	s.report.call("scan", err, false)
	if err != nil {
		return
	}
	for _, l := range s.ledgers {
		l.stable(func(e *entry) {
			if !e.holds(found[e.hashKey], e.is) {
				s.report.lost("scan beside load: %s has %d rows, want version %d, whole", e.hashKey, len(found[e.hashKey]), e.is)
			}
		})
	}
}

// verify compares the table with the model, now that nothing is under way, and
// begins the next round with what is there.
func (s *soak) verify(ctx context.Context) error {
	client := pegasus.NewClient(pegasus.Config{MetaServers: s.box.MetaServers})
	defer client.Close()
	table, err := client.OpenTable(ctx, s.table)
	if err != nil {
		return err
	}
	found, err := s.scanAll(ctx, table)
	if err != nil {
		return err
	}
	if err := s.verifyCounters(ctx, table, found); err != nil {
		return err
	}
	entries := 0
	for _, l := range s.ledgers {
		l.settle(func(e *entry) version {
			entries++
			rows := found[e.hashKey]
			delete(found, e.hashKey)
			for _, v := range []version{e.is, e.or} {
				if e.holds(rows, v) {
					return v
				}
			}
			s.report.lost("%s has %d of %d rows, want version %d or %d, whole", e.hashKey, len(rows), len(e.sortKeys), e.is, e.or)
			return e.is
		})
	}
	for h, rows := range found {
		s.report.duplicated(1, "%s is back, with %d rows", h, len(rows))
	}
	s.report.verified(entries)
	if err := s.verifyByKey(ctx, table); err != nil {
		return err
	}
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	return s.administrator.settle(ctx, a, client)
}

func (s *soak) verifyCounters(ctx context.Context, table pegasus.TableConnector, found contents) error {
	for i := range counters {
		for _, c := range []struct {
			kind string
			*counter
		}{{"incr", &s.incrs[i]}, {"cas", &s.casses[i]}} {
			key := counterKey(c.kind, i)
			v, err := table.Get(ctx, key, counterSortKey)
			if err != nil {
				return err
			}
			if !bytes.Equal(v, found[string(key)][string(counterSortKey)]) {
				s.report.lost("%s: Get finds %q, the scan %q", key, v, found[string(key)][string(counterSortKey)])
			}
			delete(found, string(key))
			n := int64(0)
			if v != nil {
				if n, err = strconv.ParseInt(string(v), 10, 64); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
			before := fmt.Sprintf("%d + %d acknowledged + %d in doubt", c.base, c.applied, c.doubt)
			lost, duplicated := c.settle(n)
			for range lost {
				s.report.lost("%s is %d, want %s", key, n, before)
			}
			if duplicated > 0 {
				s.report.duplicated(int(duplicated), "%s is %d, want %s", key, n, before)
			}
		}
	}
	return nil
}

// verifyByKey compares what reads by key say with what the scan has said.
func (s *soak) verifyByKey(ctx context.Context, table pegasus.TableConnector) error {
	for _, l := range s.ledgers {
		for range 5 {
			e := l.pick(s.rng, false)
			if e == nil {
				continue
			}
			// Without the limits of a plain MultiGet: some entries have more bytes.
			kvs, all, err := table.MultiGetOpt(ctx, []byte(e.hashKey), allBytes(e.sortKeys), &pegasus.MultiGetOptions{})
			if err != nil {
				return err
			}
			if !all {
				s.report.lost("MultiGet of %s says that there is more than %d rows", e.hashKey, len(kvs))
			}
			got := make(map[string][]byte)
			for _, kv := range kvs {
				got[string(kv.SortKey)] = kv.Value
			}
			if !e.holds(got, e.is) {
				s.report.lost("MultiGet of %s: %s", e.hashKey, strings.Join(e.sortKeys, " "))
			}
			n, err := table.SortKeyCount(ctx, []byte(e.hashKey))
			if err != nil {
				return err
			}
			if n != int64(len(e.sortKeys)) {
				s.report.lost("SortKeyCount of %s is %d, want %d", e.hashKey, n, len(e.sortKeys))
			}
		}
	}
	return nil
}
