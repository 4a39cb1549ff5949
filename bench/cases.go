package main

import "fmt"

// testCase is one operation under one load. Its variants are measured side by
// side.
type testCase struct {
	op         string
	value      int // bytes
	callers    int // goroutines
	partitions int
	tables     int // that the keys are spread over
	deadline   bool
	observed   bool
	many       bool // a batch over many hash keys
	variants   []string
}

func (c *testCase) name() string {
	name := fmt.Sprintf("%s/%dB/g%d/p%d", c.op, c.value, c.callers, c.partitions)
	if c.tables > 1 {
		name += fmt.Sprintf("/t%d", c.tables)
	}
	if c.deadline {
		name += "/deadline"
	}
	if c.observed {
		name += "/observed"
	}
	return name
}

var (
	pointVariants  = []string{"wire", "floor", "null", "mem", "os", "sync", "fsync", "redis"}
	oneboxVariants = []string{"mem", "os", "sync"}
)

// cases returns the cases of a run: those that the targets are about, or the
// full matrix.
func cases(full bool) []testCase {
	var cs []testCase
	point := func(op string, value, callers, partitions int, variants []string) {
		cs = append(cs, testCase{op: op, value: value, callers: callers, partitions: partitions, tables: 1, variants: variants})
	}
	callers := []int{1, 64, 256, 1024}
	values := []int{100}
	partitions := []int{1}
	if full {
		callers = []int{1, 16, 64, 256, 1024}
		values = []int{16, 100, 1000, 64 << 10}
		partitions = []int{1, 64}
	}
	for _, op := range []string{"get", "set"} {
		for _, v := range values {
			for _, p := range partitions {
				for _, g := range callers {
					point(op, v, g, p, pointVariants)
				}
			}
		}
	}
	for _, op := range []string{"get", "set"} {
		for _, g := range callers {
			cs = append(cs, testCase{op: op, value: 100, callers: g, partitions: 1, tables: 1, deadline: true, variants: deadlineVariants})
		}
	}
	for _, op := range []string{"get", "set"} {
		cs = append(cs, testCase{op: op, value: 100, callers: 256, partitions: 1, tables: 1, observed: true, variants: observedVariants})
	}
	for _, op := range []string{"multiget", "multiset", "incr", "batchget", "hashscan"} {
		for _, g := range callers {
			point(op, 100, g, 1, oneboxVariants)
			if full {
				point(op, 100, g, 64, oneboxVariants)
			}
		}
	}
	for _, op := range []string{"setmany", "getmany"} {
		cs = append(cs, testCase{op: op, value: 100, callers: 1, partitions: 1, tables: 1, many: true, variants: manyVariants})
	}
	// Cost stays flat: many partitions, many tables, very many goroutines.
	point("get", 100, 256, 1024, []string{"null", "mem"})
	cs = append(cs, testCase{op: "get", value: 100, callers: 256, partitions: 1, tables: manyTables, variants: []string{"null", "mem"}})
	point("get", 100, 10000, 1, []string{"floor", "null", "mem"})
	return cs
}

// manyTables is the number of tables of the case with many: bench1 and others.
const manyTables = 64

func manyName(i int) string { return fmt.Sprintf("many%d", i) }
