package pegasus_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// What these tests assume: a connector stays with the table that its name led to
// when it asked last. It asks when it opens, and when a server or a failure makes
// it doubt its route. If the answer is that there is no such table, the route is
// at an end, for all partitions; if the name leads to another table, all
// partitions change over to that. As long as nobody tells it anything it cannot
// know that its table was renamed, or dropped and recalled under another name.

const identityPartitions = 8

// identity runs f on a fake clock, with a onebox of two replica servers and the
// table temp, which has a row in each partition.
func identity(t *testing.T, f func(t *testing.T, c *identityCluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &identityCluster{
			Cluster: pegasustest.Start(t, pegasustest.WithMemoryNetwork(), pegasustest.WithReplicaServers(2),
				pegasustest.WithTable("temp", identityPartitions)),
			t: t,
		}
		c.fill("temp", "old")
		c.getAll("old") // with the connector to be tested
		f(t, c)
	})
}

type identityCluster struct {
	*pegasustest.Cluster
	t *testing.T
}

// eachKey calls f with a hash key of each partition.
func eachKey(f func(partition int, hashKey []byte)) {
	for p := range identityPartitions {
		f(p, hashKey(identityPartitions, p, 0))
	}
}

// other opens a table with a client that knows nothing yet.
func (c *identityCluster) other(table string) pegasus.TableConnector {
	c.t.Helper()
	cl, err := pegasus.New(c.Config())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { cl.Close() })
	tb, err := cl.OpenTable(c.t.Context(), table)
	if err != nil {
		c.t.Fatal(err)
	}
	return tb
}

// fill gives a table its rows.
func (c *identityCluster) fill(table, value string) {
	c.t.Helper()
	tb := c.other(table)
	eachKey(func(_ int, k []byte) { must(c.t, tb.Set(c.t.Context(), k, s, []byte(value))) })
}

// wantOnly expects that no row of a table has another value.
func (c *identityCluster) wantOnly(table, value string) {
	c.t.Helper()
	tb := c.other(table)
	var wrong []string
	eachKey(func(p int, k []byte) {
		if got, err := tb.Get(c.t.Context(), k, s); err != nil || string(got) != value {
			wrong = append(wrong, fmt.Sprintf("%d: %q, %v", p, got, err))
		}
	})
	if len(wrong) > 0 {
		c.t.Errorf("%s should have %q only; partitions %s", table, value, strings.Join(wrong, "; "))
	}
}

func (c *identityCluster) getAll(value string) {
	c.t.Helper()
	var wrong []string
	eachKey(func(p int, k []byte) {
		if got, err := c.Table.Get(c.t.Context(), k, s); err != nil || string(got) != value {
			wrong = append(wrong, fmt.Sprintf("%d: %q, %v", p, got, err))
		}
	})
	if len(wrong) > 0 {
		c.t.Errorf("the connector should read %q; partitions %s", value, strings.Join(wrong, "; "))
	}
}

// setAll writes to all partitions, and wants each write to succeed at once or to
// fail with an error.
func (c *identityCluster) setAll(value string, want error) {
	c.t.Helper()
	var wrong []string
	eachKey(func(p int, k []byte) {
		took, err := timed(func() error { return c.Table.Set(c.t.Context(), k, s, []byte(value)) })
		if !errors.Is(err, want) || took > 500*ms {
			wrong = append(wrong, fmt.Sprintf("%d: %v after %v", p, err, took))
		}
	})
	if len(wrong) > 0 {
		c.t.Errorf("Set should end with %v; partitions %s", want, strings.Join(wrong, "; "))
	}
}

func (c *identityCluster) create(partitions int) {
	c.t.Helper()
	_, err := c.Admin().CreateTable(c.t.Context(), "temp", admin.CreateOptions{Partitions: partitions})
	must(c.t, err)
}

// drop drops temp and returns its id.
func (c *identityCluster) drop() int {
	c.t.Helper()
	info, err := c.Admin().Table(c.t.Context(), "temp")
	must(c.t, err)
	must(c.t, c.Admin().DropTable(c.t.Context(), "temp", time.Hour))
	return info.ID
}

func (c *identityCluster) recall(id int, name string) {
	c.t.Helper()
	_, err := c.Admin().RecallTable(c.t.Context(), id, name)
	must(c.t, err)
}

func (c *identityCluster) rename(from, to string) {
	c.t.Helper()
	must(c.t, c.Admin().RenameTable(c.t.Context(), from, to))
}

// failover kills the server that is the primary of a key in the table called
// name now, and lets the connector notice: with a Get of the key, whose error it
// returns.
func (c *identityCluster) failover(name string, k []byte) error {
	c.t.Helper()
	partitions, err := c.Admin().Partitions(c.t.Context(), name)
	must(c.t, err)
	primary := ""
	for p := range identityPartitions {
		if string(hashKey(identityPartitions, p, 0)) == string(k) {
			primary = partitions[p].Primary
		}
	}
	for i := range c.Onebox().ReplicaServers() {
		if c.Onebox().Replica(i).Addr() == primary {
			c.Kill(i)
		}
	}
	_, err = c.Table.Get(c.t.Context(), k, s)
	return err
}

// A table is dropped, and the connector is told so. Then there is a new table of
// that name, and the old one is back under another: what the connector writes
// goes to the new one.
func TestDroppedTableIsNotWrittenTo(t *testing.T) {
	for _, partitions := range []int{identityPartitions, 2 * identityPartitions, identityPartitions / 2} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			identity(t, func(t *testing.T, c *identityCluster) {
				id := c.drop()
				_, err := c.Table.Get(t.Context(), hashKey(identityPartitions, 0, 0), s)
				wantError(t, err, []error{pegasus.ErrTableNotFound})
				c.create(partitions)
				c.recall(id, "back")
				c.setAll("new", nil)
				c.wantOnly("back", "old")
				c.wantOnly("temp", "new")
			})
		})
	}
}

// The old table comes back under another name first: there is no table of the
// name, and nothing is written.
func TestDroppedTableIsBackElsewhere(t *testing.T) {
	identity(t, func(t *testing.T, c *identityCluster) {
		id := c.drop()
		c.setAll("lost", pegasus.ErrTableNotFound)
		c.recall(id, "back")
		c.setAll("lost", pegasus.ErrTableNotFound)
		c.wantOnly("back", "old")
		c.create(identityPartitions)
		c.setAll("new", nil)
		c.wantOnly("back", "old")
		c.wantOnly("temp", "new")
	})
}

// The table comes back under its own name: the connector goes on.
func TestDroppedTableIsBack(t *testing.T) {
	identity(t, func(t *testing.T, c *identityCluster) {
		id := c.drop()
		c.setAll("lost", pegasus.ErrTableNotFound)
		c.recall(id, "")
		c.getAll("old")
		c.setAll("new", nil)
	})
}

// OpenTable of a table that does not exist any more fails, whatever was opened
// before, and finds the new one when there is one.
func TestOpenTableOfDroppedTable(t *testing.T) {
	for name, end := range map[string]func(c *identityCluster){
		"dropped": func(c *identityCluster) { c.drop() },
		"renamed": func(c *identityCluster) { c.rename("temp", "other") },
	} {
		for _, noticed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/noticed=%v", name, noticed), func(t *testing.T) {
				identity(t, func(t *testing.T, c *identityCluster) {
					end(c)
					if noticed {
						k := hashKey(identityPartitions, 0, 0)
						_, err := c.Table.Get(t.Context(), k, s)
						if name == "renamed" {
							err = c.failover("other", k)
						}
						wantError(t, err, []error{pegasus.ErrTableNotFound})
					}
					if _, err := c.Client.OpenTable(t.Context(), "temp"); !errors.Is(err, pegasus.ErrTableNotFound) {
						t.Errorf("opened again: %v", err)
					}
					c.create(identityPartitions)
					tb, err := c.Client.OpenTable(t.Context(), "temp")
					must(t, err)
					if got, err := tb.Get(t.Context(), hashKey(identityPartitions, 0, 0), s); got != nil || err != nil {
						t.Errorf("the new table has %q, %v", got, err)
					}
				})
			})
		}
	}
}

// Renaming a table disturbs nobody who has it open, as long as nothing makes the
// connector ask, whether or not there is another table of its name by then.
func TestRenamedTable(t *testing.T) {
	for _, successor := range []bool{false, true} {
		t.Run(fmt.Sprintf("successor=%v", successor), func(t *testing.T) {
			identity(t, func(t *testing.T, c *identityCluster) {
				c.rename("temp", "other")
				if successor {
					c.create(identityPartitions)
					c.fill("temp", "successor")
				}
				c.getAll("old")
				c.setAll("changed", nil)
				c.wantOnly("other", "changed")
				if successor {
					c.wantOnly("temp", "successor")
				}
			})
		})
	}
}

// After a failover the connector knows that the name leads nowhere: it fails, in
// all partitions, and writes nothing to the table that has another name now.
func TestRenamedTableAfterFailover(t *testing.T) {
	identity(t, func(t *testing.T, c *identityCluster) {
		c.rename("temp", "other")
		wantError(t, c.failover("other", hashKey(identityPartitions, 0, 0)), []error{pegasus.ErrTableNotFound})
		c.setAll("lost", pegasus.ErrTableNotFound)
		c.wantOnly("other", "old")
		// Its own name again.
		c.rename("other", "temp")
		c.getAll("old")
	})
}

// After a failover the connector knows that the name leads to another table: all
// partitions change over.
func TestSuccessorAfterFailover(t *testing.T) {
	for _, partitions := range []int{identityPartitions, 2 * identityPartitions, identityPartitions / 2} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			identity(t, func(t *testing.T, c *identityCluster) {
				c.rename("temp", "other")
				c.create(partitions)
				c.fill("temp", "successor")
				must(t, c.failover("other", hashKey(identityPartitions, 0, 0)))
				c.getAll("successor")
				c.setAll("changed", nil)
				c.wantOnly("other", "old")
				c.wantOnly("temp", "changed")
			})
		})
	}
}

// What ends a scan when the table is not that of the name any more: the change to
// another one, or that there is none. Rows that were fetched before may come
// first, of the new table none.
func TestScanOfAnotherTable(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(c *identityCluster)
		want   error
	}{
		"dropped": {func(c *identityCluster) {
			c.drop()
			c.setAll("lost", pegasus.ErrTableNotFound)
		}, pegasus.ErrTableNotFound},
		"created anew": {func(c *identityCluster) {
			c.drop()
			c.create(identityPartitions)
			c.fill("temp", "new")
		}, pegasus.ErrRepartitioned},
		"created anew, noticed by others": {func(c *identityCluster) {
			c.drop()
			c.create(identityPartitions)
			c.fill("temp", "new")
			c.getAll("new")
		}, pegasus.ErrRepartitioned},
		"created anew with more partitions": {func(c *identityCluster) {
			c.drop()
			c.create(4 * identityPartitions)
			c.fill("temp", "new")
			c.getAll("new")
		}, pegasus.ErrRepartitioned},
		"renamed, with a successor": {func(c *identityCluster) {
			c.rename("temp", "other")
			c.create(identityPartitions)
			c.fill("temp", "new")
			must(c.t, c.failover("other", hashKey(identityPartitions, 0, 0)))
		}, pegasus.ErrRepartitioned},
		"renamed, without one": {func(c *identityCluster) {
			c.rename("temp", "other")
			wantError(c.t, c.failover("other", hashKey(identityPartitions, 0, 0)), []error{pegasus.ErrTableNotFound})
		}, pegasus.ErrTableNotFound},
		"dropped, noticed, and back elsewhere": {func(c *identityCluster) {
			id := c.drop()
			c.setAll("lost", pegasus.ErrTableNotFound)
			c.recall(id, "back")
		}, pegasus.ErrTableNotFound},
		"dropped, noticed, and replaced": {func(c *identityCluster) {
			id := c.drop()
			c.setAll("lost", pegasus.ErrTableNotFound)
			c.recall(id, "back")
			c.create(identityPartitions)
			c.fill("temp", "new")
			c.getAll("new")
		}, pegasus.ErrRepartitioned},
	} {
		for kind, scan := range map[string]func(tb pegasus.TableConnector, k []byte) (pegasus.Scanner, error){
			"hash key": func(tb pegasus.TableConnector, k []byte) (pegasus.Scanner, error) {
				return tb.GetScanner(t.Context(), k, nil, nil, &pegasus.ScannerOptions{BatchSize: 10})
			},
			"table": func(tb pegasus.TableConnector, k []byte) (pegasus.Scanner, error) {
				all, err := tb.GetUnorderedScanners(t.Context(), 1, &pegasus.ScannerOptions{BatchSize: 10})
				if err != nil {
					return nil, err
				}
				return all[0], nil
			},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				identity(t, func(t *testing.T, c *identityCluster) {
					k := hashKey(identityPartitions, 0, 0)
					for i := range 200 {
						must(t, c.Table.Set(t.Context(), k, fmt.Append(nil, "s", i), []byte("old")))
					}
					sc, err := scan(c.Table, k)
					must(t, err)
					defer sc.Close()
					_, _, _, _, err = sc.Next(t.Context())
					must(t, err)
					synctest.Wait() // it fetches one batch ahead
					tc.change(c)
					for range 50 {
						done, _, _, value, err := sc.Next(t.Context())
						if done || err != nil {
							if !errors.Is(err, tc.want) {
								t.Errorf("the scan ended with %v, want %v", err, tc.want)
							}
							return
						}
						if string(value) != "old" {
							t.Fatalf("the scan delivers %q", value)
						}
					}
					t.Error("the scan goes on")
				})
			})
		}
	}
}
