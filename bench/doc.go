// Bench measures the client and the onebox side by side with the least that
// the same work can cost, in one run:
//
//	wire    prepared requests and replies over a connection, nothing parsed
//	floor   synchronous calls in Go, without encoding, routing or deadlines
//	null    the client against a server that answers canned replies
//	mem     the client against the onebox, in memory
//	os      the same, durable against the end of the process
//	sync    the same, durable against power loss
//	fsync   one writer that appends to a file and syncs it, on the same disk
//	redis   rueidis against redis-server, if that is installed
//
// Callers of variants with +d make a context with a deadline for each call, which
// ends with it; those of floor+c make one and pass on another. What the client
// takes beside its floor, with contexts and without, is printed below the case.
//
// Each server has a process of its own. The variants of a case take turns,
// several rounds, so that what else the machine does hits all of them. The
// result of a variant is the median of its rounds; ratios are the medians of
// the rounds' ratios. Trust the ratios.
//
//	go run . [-case REGEXP] [-rounds N] [-time D] [-full] [-json FILE]
//	go run . -meta HOST:PORT -table NAME     measures an external cluster
//	go run . -start                          start of a onebox, opening of tables
//	go run . -growth 10000,100000,1000000    Get from a durable onebox that grows
//
// It is a module of its own, so that what it compares with is no dependency
// of the client.
package main
