package pegasus_test

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// newTable opens a table of a onebox in memory.
func newTable() (*pegasus.Table, func()) {
	_, _, table, done := newCluster("temp")
	return table, done
}

// newCluster starts a onebox in memory with a table, and opens that by a client of its own.
func newCluster(name string, observers ...pegasus.Observer) (*onebox.Server, *pegasus.Cluster, *pegasus.Table, func()) {
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: name}}})
	if err != nil {
		panic(err)
	}
	client, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers(), Observers: observers})
	if err != nil {
		panic(err)
	}
	table, err := client.Open(context.Background(), name)
	if err != nil {
		panic(err)
	}
	return box, client, table, func() { client.Close(); box.Close() }
}

func ExampleTable_CheckAndMutate() {
	table, done := newTable()
	defer done()
	ctx := context.Background()
	order := []byte("order_1")

	place, err := table.CheckAndMutate(order).
		If(pegasus.Absent([]byte("state"))).
		Set([]byte("state"), []byte("placed"), pegasus.NoTTL).
		Set([]byte("reminder"), nil, 24*time.Hour).
		Do(ctx)
	fmt.Println(place.Applied, err)

	pay, err := table.CheckAndMutate(order).
		If(pegasus.ValueEquals([]byte("state"), []byte("placed"))).
		Set([]byte("state"), []byte("paid"), pegasus.NoTTL).
		Del([]byte("reminder")).
		ReturnChecked().
		Do(ctx)
	fmt.Println(pay.Applied, string(pay.Checked), err)
	// Output:
	// true <nil>
	// true placed <nil>
}

func ExampleTable_IncrTTL() {
	table, done := newTable()
	defer done()
	for range 2 {
		n, err := table.IncrTTL(context.Background(), []byte("ann"), []byte("logins"), 1, time.Hour)
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
}

func ExampleTable_AppendGet() {
	table, done := newTable()
	defer done()
	ctx := context.Background()
	if err := table.Set(ctx, []byte("ann"), []byte("city"), []byte("Rome")); err != nil {
		fmt.Println(err)
	}
	buf := make([]byte, 0, 100) // to be used again and again
	value, found, err := table.AppendGet(ctx, buf[:0], []byte("ann"), []byte("city"))
	fmt.Println(string(value), found, err)
	// Output: Rome true <nil>
}

func ExampleTable_SetMany() {
	table, done := newTable()
	defer done()
	ctx := context.Background()
	outcomes, err := table.SetMany(ctx, []pegasus.Put{
		{HashKey: []byte("ann"), SortKey: []byte("seen"), Value: []byte("1")},
		{HashKey: []byte("bob"), SortKey: []byte("seen"), Value: []byte("2"), TTL: time.Hour},
	})
	fmt.Println(err, outcomes.Err())
	results, err := table.GetMany(ctx, []pegasus.CompositeKey{
		{HashKey: []byte("bob"), SortKey: []byte("seen")},
		{HashKey: []byte("cid"), SortKey: []byte("seen")},
	})
	for _, r := range results {
		fmt.Println(string(r.Value), r.Found, r.Err)
	}
	fmt.Println(err)
	// Output:
	// <nil> <nil>
	// 2 true <nil>
	//  false <nil>
	// <nil>
}

func ExampleTable_Update() {
	table, done := newTable()
	defer done()
	value, err := table.Update(context.Background(), []byte("ann"), []byte("visits"), pegasus.NoTTL,
		func(old pegasus.Current) ([]byte, error) {
			n, _ := strconv.Atoi(string(old.Value))
			return strconv.AppendInt(nil, int64(n)+1, 10), nil
		})
	fmt.Println(string(value), err)
	// Output: 1 <nil>
}

func ExampleTable_Rows() {
	table, done := newTable()
	defer done()
	ctx := context.Background()
	cart := pegasus.PutRows{HashKey: []byte("ann")}
	for _, item := range []string{"apple", "bread", "cheese"} {
		cart.Rows = append(cart.Rows, pegasus.KeyValue{SortKey: []byte("cart/" + item), Value: []byte("1")})
	}
	if outcomes, err := table.MultiSetMany(ctx, []pegasus.PutRows{cart}); err != nil || outcomes.Err() != nil {
		fmt.Println(err, outcomes.Err())
	}
	for row, err := range table.Rows(ctx, []byte("ann"), pegasus.Select{Prefix: []byte("cart/"), Reverse: true, Limit: 2}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", row.SortKey)
	}
	// Output:
	// cart/cheese
	// cart/bread
}

func ExampleTable_Page() {
	table, done := newTable()
	defer done()
	ctx := context.Background()
	if outcomes, err := table.SetMany(ctx, []pegasus.Put{
		{HashKey: []byte("log"), SortKey: []byte("a")}, {HashKey: []byte("log"), SortKey: []byte("b")}, {HashKey: []byte("log"), SortKey: []byte("c")},
	}); err != nil || outcomes.Err() != nil {
		fmt.Println(err, outcomes.Err())
	}
	var cursor pegasus.Cursor // text that may go into a link
	for number := 1; ; number++ {
		page, err := table.Page(ctx, []byte("log"), pegasus.Select{}, cursor, 2)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("page", number, "has", len(page.Rows))
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	// Output:
	// page 1 has 2
	// page 2 has 1
}

// The size of a table. Nothing of a row is needed when its step is over.
func ExampleTableScan_BorrowedRows() {
	table, done := newTable()
	defer done()
	ctx := context.Background()
	for _, user := range []string{"ann", "bob", "eve"} {
		if err := table.Set(ctx, []byte(user), []byte("profile"), []byte("12345")); err != nil {
			fmt.Println(err)
		}
	}
	scan, err := table.Scan(ctx, pegasus.ScanOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, bytes := 0, 0
	for row, err := range scan.BorrowedRows(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		rows++
		bytes += len(row.HashKey) + len(row.SortKey) + len(row.Value)
	}
	fmt.Println(rows, "entries,", bytes, "bytes")
	// Output:
	// 3 entries, 45 bytes
}

// A scan of a whole table that is stopped, and gone on with later, perhaps in another process.
func ExampleTable_Scan() {
	table, done := newTable()
	defer done()
	ctx := context.Background()
	var puts []pegasus.Put
	for i := range 100 {
		puts = append(puts, pegasus.Put{HashKey: strconv.AppendInt(nil, int64(i), 10)})
	}
	if outcomes, err := table.SetMany(ctx, puts); err != nil || outcomes.Err() != nil {
		fmt.Println(err, outcomes.Err())
	}
	rows := 0
	var saved pegasus.Cursor
	for _, limit := range []int{60, 0} { // today, and tomorrow
		scan, err := table.Scan(ctx, pegasus.ScanOptions{Resume: saved, Limit: limit})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, err := range scan.Rows(ctx) {
			if err != nil {
				fmt.Println(err)
				return
			}
			rows++
		}
		saved = scan.Cursor()
		fmt.Println(rows, saved == "")
	}
	// Output:
	// 60 false
	// 100 true
}
