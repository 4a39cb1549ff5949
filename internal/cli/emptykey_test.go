package cli

import (
	"context"
	"io"
	"net"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/rogpeppe/go-internal/testscript"
)

// putEmpty TABLE SORTKEY VALUE writes a row with an empty hash key, as clients of other
// languages can.
func putEmpty(ts *testscript.TestScript, _ bool, args []string) {
	c, err := admin.New(admin.Config{MetaServers: strings.Split(ts.Getenv("PEGASUS_META"), ",")})
	ts.Check(err)
	defer c.Close()
	partitions, err := c.Partitions(context.Background(), args[0])
	ts.Check(err)
	sortKey := []byte(args[1])
	hash := schema.PartitionHash(nil, sortKey)
	p := partitions[hash%uint64(len(partitions))]
	nc, err := net.Dial("tcp", p.Primary)
	ts.Check(err)
	defer nc.Close()
	at := wire.RequestHeader{GPID: wire.GPID{AppID: int32(p.TableID), PartitionIndex: int32(p.Index)}, PartitionHash: hash}
	_, err = nc.Write(wire.AppendRequest(nil, at, wire.TaskPut, 1, wire.UpdateRequest{Key: wire.Key{SortKey: sortKey}, Value: []byte(args[2])}))
	ts.Check(err)
	prefix := make([]byte, wire.ReplyPrefix)
	_, err = io.ReadFull(nc, prefix)
	ts.Check(err)
	size, err := wire.ReplySize(prefix, 1<<20)
	ts.Check(err)
	frame := make([]byte, size-wire.ReplyPrefix)
	_, err = io.ReadFull(nc, frame)
	ts.Check(err)
	var reply wire.Reply
	ts.Check(reply.Parse(frame))
	if reply.Err != wire.ErrOK {
		ts.Fatalf("put: %v", reply.Err)
	}
}
