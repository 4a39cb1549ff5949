// A program that needs thrift v0.13.0: later releases want a context here.
package main

import (
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/pegasus-go/pegasus"
	_ "github.com/pegasus-go/pegasus/admin"
	_ "github.com/pegasus-go/pegasus/onebox"
	_ "github.com/pegasus-go/pegasus/pegasustest"
)

func main() {
	protocol := thrift.NewTBinaryProtocolTransport(thrift.NewTMemoryBuffer())
	if err := protocol.WriteString("a"); err != nil {
		panic(err)
	}
	client, err := pegasus.New(pegasus.Config{MetaServers: []string{"127.0.0.1:34601"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(client.Close())
}
