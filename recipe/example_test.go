package recipe_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/recipe"
)

// openTable opens a table of a onebox in memory.
func openTable() (*pegasus.Table, func()) {
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	if err != nil {
		panic(err)
	}
	client, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers()})
	if err != nil {
		panic(err)
	}
	table, err := client.Open(context.Background(), "temp")
	if err != nil {
		panic(err)
	}
	return table, func() { client.Close(); box.Close() }
}

func ExampleLock() {
	table, done := openTable()
	defer done()
	ctx := context.Background()

	lock := recipe.NewLock(table, []byte("report"), "nightly")
	lease, err := lock.Acquire(ctx, recipe.LockOptions{TTL: 30 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release(ctx)
	// Refused if somebody else has got the lock meanwhile.
	res, err := lease.Guard(table.CheckAndMutate([]byte("report"))).
		Set([]byte("result"), []byte("42"), pegasus.NoTTL).
		Do(lease.Context())
	fmt.Println(res.Applied, err)
	// Output: true <nil>
}

func ExampleOnce() {
	table, done := openTable()
	defer done()
	for range 2 {
		first, err := recipe.Once(context.Background(), table, []byte("account"), "payment-17", 24*time.Hour, func(m *pegasus.Mutation) {
			m.Set([]byte("balance"), []byte("100"), pegasus.NoTTL)
		})
		fmt.Println(first, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleLimiter() {
	table, done := openTable()
	defer done()
	limiter := &recipe.Limiter{Table: table, Prefix: "api/", Limit: 2, Window: time.Hour}
	for range 3 {
		d, err := limiter.Allow(context.Background(), []byte("ann"))
		fmt.Println(d.Allowed, err)
	}
	// Output:
	// true <nil>
	// true <nil>
	// false <nil>
}

func ExampleUniqueIndex() {
	table, done := openTable()
	defer done()
	ctx := context.Background()
	mails := &recipe.UniqueIndex{Table: table, Prefix: "mail/"}
	for _, user := range []string{"ann", "bob"} {
		err := mails.Insert(ctx, []byte("a@example.com"), []byte(user), func(ctx context.Context) error {
			return table.Set(ctx, []byte(user), []byte("mail"), []byte("a@example.com"))
		})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// recipe: the value is taken
}
