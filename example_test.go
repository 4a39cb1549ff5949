package pegasus_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// openTable opens the table "temp" of a onebox of its own. done closes all. It
// panics on errors, which an example cannot report.
func openTable() (table pegasus.TableConnector, done func()) {
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	if err != nil {
		panic(err)
	}
	client := pegasus.NewClient(pegasus.Config{MetaServers: box.MetaServers()})
	table, err = client.OpenTable(context.Background(), "temp")
	if err != nil {
		panic(err)
	}
	return table, func() {
		client.Close()
		box.Close()
	}
}

// setUsers stores three attributes of two users.
func setUsers(table pegasus.TableConnector) {
	sortKeys := [][]byte{[]byte("age"), []byte("city"), []byte("name")}
	for user, values := range map[string][][]byte{
		"user_1": {[]byte("41"), []byte("Bern"), []byte("Ann")},
		"user_2": {[]byte("27"), []byte("Oslo"), []byte("Bob")},
	} {
		if err := table.MultiSet(context.Background(), []byte(user), sortKeys, values); err != nil {
			panic(err)
		}
	}
}

func ExampleNewClient() {
	// A whole Pegasus in this process; usually the addresses are those of a cluster.
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp", Partitions: 8}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()

	client := pegasus.NewClient(pegasus.Config{MetaServers: box.MetaServers()})
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := table.Set(ctx, []byte("user_1"), []byte("name"), []byte("Ann")); err != nil {
		fmt.Println(err)
		return
	}
	value, err := table.Get(ctx, []byte("user_1"), []byte("name"))
	fmt.Printf("%s %v\n", value, err)
	// Output: Ann <nil>
}

func ExampleConfig() {
	var cfg pegasus.Config
	err := json.Unmarshal([]byte(`{
		"meta_servers": ["10.0.0.1:34601", "10.0.0.2:34601"],
		"operation_timeout": "2s"
	}`), &cfg)
	fmt.Println(cfg.MetaServers, cfg.OperationTimeout, err)
	// Output: [10.0.0.1:34601 10.0.0.2:34601] 2s <nil>
}

// A proxy beside each server ends TLS, at a port 1000 above that of the server. All have
// certificates of the same name.
func ExampleConfig_tls() {
	dialer := tls.Dialer{Config: &tls.Config{ServerName: "pegasus.example.com"}}
	client, err := pegasus.New(pegasus.Config{
		MetaServers: []string{"10.0.0.1:34601"},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			server, err := netip.ParseAddrPort(addr)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, netip.AddrPortFrom(server.Addr(), server.Port()+1000).String())
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
}

func ExampleNew() {
	_, err := pegasus.New(pegasus.Config{MetaServers: []string{"10.0.0.1"}})
	var ae *pegasus.ArgumentError
	if errors.As(err, &ae) {
		fmt.Println(ae.Name)
	}
	// Output: MetaServers[0]
}

func ExampleTableConnector_Get() {
	table, done := openTable()
	defer done()
	setUsers(table)
	ctx := context.Background()

	name, err := table.Get(ctx, []byte("user_1"), []byte("name"))
	fmt.Printf("%s %v\n", name, err)

	none, err := table.Get(ctx, []byte("user_1"), []byte("phone"))
	fmt.Println(none == nil, err)

	exist, err := table.Exist(ctx, []byte("user_2"), []byte("name"))
	fmt.Println(exist, err)
	// Output:
	// Ann <nil>
	// true <nil>
	// true <nil>
}

func ExampleTableConnector_SetTTL() {
	table, done := openTable()
	defer done()
	ctx := context.Background()

	err := table.SetTTL(ctx, []byte("session_7"), []byte("token"), []byte("secret"), 30*time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	seconds, err := table.TTL(ctx, []byte("session_7"), []byte("token"))
	fmt.Println(seconds > 29*60 && seconds <= 30*60, err)
	// Output: true <nil>
}

func ExampleTableConnector_Del() {
	table, done := openTable()
	defer done()
	setUsers(table)
	ctx := context.Background()

	err := table.Del(ctx, []byte("user_1"), []byte("age"))
	if err == nil {
		err = table.MultiDel(ctx, []byte("user_1"), [][]byte{[]byte("city"), []byte("no such key")})
	}
	left, countErr := table.SortKeyCount(ctx, []byte("user_1"))
	fmt.Println(left, err, countErr)
	// Output: 1 <nil> <nil>
}

func ExampleTableConnector_MultiGet() {
	table, done := openTable()
	defer done()
	setUsers(table)

	kvs, _, err := table.MultiGet(context.Background(), []byte("user_1"), [][]byte{[]byte("name"), []byte("city")})
	for _, kv := range kvs {
		fmt.Printf("%s: %s\n", kv.SortKey, kv.Value)
	}
	fmt.Println(err)
	// Output:
	// city: Bern
	// name: Ann
	// <nil>
}

func ExampleTableConnector_MultiGetOpt() {
	table, done := openTable()
	defer done()
	setUsers(table)

	options := *pegasus.DefaultMultiGetOptions
	options.SortKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchAnywhere, Pattern: []byte("a")}
	options.NoValue = true
	kvs, all, err := table.MultiGetOpt(context.Background(), []byte("user_1"), nil, &options)
	for _, kv := range kvs {
		fmt.Printf("%s\n", kv.SortKey)
	}
	fmt.Println(all, err)
	// Output:
	// age
	// name
	// true <nil>
}

// Each page begins behind the last entry of the page before. (A page without
// entries that is not the last one says that the server gave up in front of the
// next: use a Scanner where there are many expired entries, or a filter.)
func ExampleTableConnector_MultiGetRangeOpt() {
	table, done := openTable()
	defer done()
	setUsers(table)

	options := *pegasus.DefaultMultiGetOptions
	options.MaxFetchCount = 2
	var start []byte
	for page := 1; ; page++ {
		kvs, all, err := table.MultiGetRangeOpt(context.Background(), []byte("user_1"), start, nil, &options)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, kv := range kvs {
			fmt.Printf("page %d: %s\n", page, kv.SortKey)
			start = kv.SortKey
		}
		if all || len(kvs) == 0 {
			break
		}
		options.StartInclusive = false
	}
	// Output:
	// page 1: age
	// page 1: city
	// page 2: name
}

func ExampleTableConnector_MultiSetOpt() {
	table, done := openTable()
	defer done()
	ctx := context.Background()

	err := table.MultiSetOpt(ctx, []byte("user_3"),
		[][]byte{[]byte("name"), []byte("city")},
		[][]byte{[]byte("Eve"), []byte("Rome")}, 24*time.Hour)
	n, countErr := table.SortKeyCount(ctx, []byte("user_3"))
	fmt.Println(n, err, countErr)
	// Output: 2 <nil> <nil>
}

func ExampleTableConnector_DelRangeOpt() {
	table, done := openTable()
	defer done()
	setUsers(table)
	ctx := context.Background()

	options := *pegasus.DefaultDelRangeOptions
	options.StopInclusive = true
	err := table.DelRangeOpt(ctx, []byte("user_1"), []byte("a"), []byte("city"), &options)
	left, countErr := table.SortKeyCount(ctx, []byte("user_1"))
	fmt.Println(left, err, countErr)
	// Output: 1 <nil> <nil>
}

func ExampleTableConnector_GetScanner() {
	table, done := openTable()
	defer done()
	setUsers(table)
	ctx := context.Background()

	scanner, err := table.GetScanner(ctx, []byte("user_2"), []byte("b"), nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer scanner.Close()
	for {
		completed, _, sortKey, value, err := scanner.Next(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		if completed {
			break
		}
		fmt.Printf("%s: %s\n", sortKey, value)
	}
	// Output:
	// city: Oslo
	// name: Bob
}

// Scanners of a table can be used at the same time, each by one goroutine.
func ExampleTableConnector_GetUnorderedScanners() {
	table, done := openTable()
	defer done()
	setUsers(table)
	ctx := context.Background()

	scanners, err := table.GetUnorderedScanners(ctx, 4, &pegasus.ScannerOptions{NoValue: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	count := func(scanner pegasus.Scanner) (n int, err error) {
		defer scanner.Close()
		for ; ; n++ {
			completed, _, _, _, err := scanner.Next(ctx)
			if err != nil || completed {
				return n, err
			}
		}
	}
	type result struct {
		n   int
		err error
	}
	results := make(chan result)
	for _, scanner := range scanners {
		go func() {
			n, err := count(scanner)
			results <- result{n, err}
		}()
	}
	total := 0
	for range scanners {
		r := <-results
		total += r.n
		err = errors.Join(err, r.err)
	}
	fmt.Println(total, err)
	// Output: 6 <nil>
}

// A lock that expires: the first who asks gets it.
func ExampleTableConnector_CheckAndSet() {
	table, done := openTable()
	defer done()

	key := []byte("nightly")
	options := &pegasus.CheckAndSetOptions{SetValueTTLSeconds: 60, ReturnCheckValue: true}
	for _, worker := range []string{"worker 1", "worker 2"} {
		res, err := table.CheckAndSet(context.Background(), []byte("locks"), key,
			pegasus.CheckTypeValueNotExist, nil, key, []byte(worker), options)
		if err != nil {
			fmt.Println(err)
			return
		}
		if res.SetSucceed {
			fmt.Println(worker, "has the lock")
		} else {
			fmt.Printf("%s has to wait for %s\n", worker, res.CheckValue)
		}
	}
	// Output:
	// worker 1 has the lock
	// worker 2 has to wait for worker 1
}

func ExampleTableConnector_Incr() {
	table, done := openTable()
	defer done()

	for _, n := range []int64{1, 1, -5} {
		value, err := table.Incr(context.Background(), []byte("page_1"), []byte("views"), n)
		fmt.Println(value, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// -3 <nil>
}

func ExampleTableConnector_BatchGet() {
	table, done := openTable()
	defer done()
	setUsers(table)

	values, err := table.BatchGet(context.Background(), []pegasus.CompositeKey{
		{HashKey: []byte("user_2"), SortKey: []byte("name")},
		{HashKey: []byte("user_9"), SortKey: []byte("name")},
		{HashKey: []byte("user_1"), SortKey: []byte("name")},
	})
	fmt.Printf("%s %v\n", bytes.Join(values, []byte(", ")), err)
	// Output: Bob, , Ann <nil>
}

func ExamplePError() {
	table, done := openTable()
	defer done()
	ctx := context.Background()

	err := table.Set(ctx, []byte("h"), []byte("s"), nil)
	fmt.Println(errors.Is(err, pegasus.ErrInvalidArgument), err)

	err = table.Set(ctx, []byte("h"), []byte("s"), make([]byte, 2<<20)) // servers accept 1 MiB
	var pe *pegasus.PError
	if errors.As(err, &pe) {
		fmt.Println(errors.Is(err, pegasus.ErrInvalidData), pe.Op, pe.Table)
	}
	// Output:
	// true pegasus: Set table "temp": invalid argument: value must not be nil
	// true Set temp
}

func ExampleWithRetryPolicy() {
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	client := pegasus.NewClient(pegasus.Config{
		MetaServers: box.MetaServers(),
		Retry:       pegasus.RetryPolicy{MaxPause: time.Second}, // of all operations
	})
	defer client.Close()
	table, err := client.OpenTable(context.Background(), "temp")
	if err != nil {
		fmt.Println(err)
		return
	}
	box.Intercept(func(onebox.Request) onebox.Action { return onebox.Action{Error: "ERR_BUSY"} })

	// A caller who has something else to do at once wants no second attempt.
	ctx := pegasus.WithRetryPolicy(context.Background(), pegasus.RetryPolicy{MaxAttempts: 1})
	_, err = table.Get(ctx, []byte("user_1"), []byte("name"))
	fmt.Println(errors.Is(err, pegasus.ErrBusy))
	// Output: true
}

func ExampleObserver() {
	client := pegasus.NewClient(pegasus.Config{
		MetaServers: []string{"10.0.0.1:34601"},
		Observers: []pegasus.Observer{{
			TableReplaced: func(r pegasus.TableReplaced) {
				fmt.Printf("%s was dropped and made again: it is table %d now, not %d\n", r.Table, r.To, r.From)
			},
		}},
	})
	defer client.Close()
}
