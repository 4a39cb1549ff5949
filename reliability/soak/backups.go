package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// keeper compacts the table and makes backups beside the load, while the process is killed at
// times. It starts a onebox from each backup that was completed, and compares.
type keeper struct {
	s       *soak
	rng     *rand.Rand
	servers []string // meta servers
}

func (k *keeper) run(ctx context.Context, client *admin.Client) error {
	for ctx.Err() == nil {
		sleep(ctx, k.rng, 100*time.Millisecond, 2*time.Second)
		if ctx.Err() != nil {
			return nil
		}
		if k.rng.IntN(2) == 0 {
			call, cancel := context.WithTimeout(context.Background(), patience)
			err := client.StartCompact(call, k.s.table, admin.CompactOptions{Bottommost: true})
			cancel()
			k.s.report.call("compact table", err, false)
			if err == nil {
				k.s.report.fault("compaction")
			}
			continue
		}
		if err := k.backup(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

// backup makes a backup and looks into it. One that a fault has ended is left where it is: there
// must be no start from it.
func (k *keeper) backup(ctx context.Context, client *admin.Client) error {
	k.s.backups++
	name := "b" + strconv.Itoa(k.s.backups)
	dir := filepath.Join(k.s.boxOptions.BackupDir, name)
	defer os.RemoveAll(dir)
	made := k.await(ctx, client, name)
	restored := dir + "-restored"
	defer os.RemoveAll(restored)
	box, err := onebox.Start(onebox.Options{Dir: restored, From: dir, Durability: onebox.OS, CacheSize: 16 << 20})
	switch {
	case err != nil && made:
		k.s.report.lost("backup %s: %v", name, err)
		return nil
	case err != nil:
		return nil
	}
	k.s.report.fault("backup")
	err = k.compare(box, name)
	if cerr := box.Close(); err == nil {
		err = cerr
	}
	return err
}

// await starts a backup and reports whether it was completed, as far as that can be told.
func (k *keeper) await(ctx context.Context, client *admin.Client, name string) (made bool) {
	for i, node := range k.servers {
		if out, err := client.RemoteCommand(ctx, node, "backup", name); err == nil && out == "started" {
			break
		} else if i == len(k.servers)-1 {
			return false
		}
	}
	for ctx.Err() == nil {
		sleep(ctx, k.rng, time.Millisecond, 20*time.Millisecond)
		out, err := client.RemoteCommand(ctx, k.servers[0], "backup")
		if err != nil {
			continue // the process is being started again, and has forgotten the backup
		}
		var list []struct{ Name, State string }
		if json.Unmarshal([]byte(out), &list) != nil || len(list) == 0 || list[len(list)-1].Name != name {
			return false
		}
		if state := list[len(list)-1].State; state != "running" {
			return state == "done"
		}
	}
	return false
}

// compare expects of a backup what has not changed in this round.
func (k *keeper) compare(box *onebox.Server, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers()})
	if err != nil {
		return err
	}
	defer client.Close()
	table, err := client.OpenTable(ctx, k.s.table)
	if err != nil {
		return err
	}
	found, err := k.s.scanAll(ctx, table)
	if err != nil {
		return err
	}
	entries := 0
	for _, l := range k.s.ledgers {
		l.stable(func(e *entry) {
			entries++
			if !e.holds(found[e.hashKey], e.is) {
				k.s.report.lost("backup %s: %s has %d rows, want version %d, whole", name, e.hashKey, len(found[e.hashKey]), e.is)
			}
		})
	}
	k.s.report.verified(entries)
	return nil
}
