// Package conformance compares a server with what a real Apache Pegasus server is known to do.
//
// It speaks the RPCs directly and tests the server, not the conveniences of a client. Its codec works from a description
// of the interface (pegasus.idl) and shares no code with the rest of the module, so that each checks the other.
//
// # Running it
//
// The tests of the package run against a onebox in the same process. To run them against a cluster of your own:
//
//	PEGASUS_META=10.0.0.1:34601,10.0.0.2:34601 go test -v -timeout 1h -parallel 8 ./conformance/...
//
// The flag -meta does the same. Optional: PEGASUS_VERSION (default 2.5, "master" for the development branch) selects the expectations that hold for the
// server, PEGASUS_REPLICAS (default 1) is the replica count of the tables. A run creates tables whose names start with
// "conformance_" and drops them again; it touches no other table. Cases that would end the process of a real server are
// not sent to one, those that may do so now and then only with PEGASUS_RISKY=1 and after all others, and where a cluster
// needs time for a change to reach its replicas the run waits.
//
// PEGASUS_TRANSCRIPTS=DIR replays the recordings in DIR (*.jsonl, *.jsonl.gz) instead of those in testdata.
//
// # The evidence
//
// Cases ([ReadCases], [Runner]) are a JSON file of single facts. A case has steps that must succeed (given), an operation
// (op) with its expected answer (expect), and checks that follow (then). A step names an RPC and its arguments by the
// field names of the interface; what is missing is sent with its default. Bytes are text, {"hex": "00ff"} or
// {"rep": "x", "n": 3}; numbers may be names of enum values, {"var": name} (saved from an earlier answer) or {"now": n}
// (Pegasus epoch seconds from now); lists may be {"gen": n, "key": "k%03d"}; route says where to send a request that
// should not go where its key belongs. Of an answer only the listed fields are compared, with a value or a predicate such
// as {"gt": 0}, {"absent": true}, {"live": true} (a scan context that can be continued), {"contains": {...}}.
//
// Transcripts ([ReadTranscript], [Replay]) are sessions recorded on a real server, replayed in order on a fresh table.
// Every field of every answer must be equal, its presence included, except what cannot be: the server's name, the table's
// id, decrees (they must grow), live scan contexts (mapped to those of the replay) and remaining TTLs (they must end at
// the same time, within two seconds).
package conformance
