// Package wiretest is what the tests of package wire and the oracle, a module of
// its own, share: the messages of all RPCs, the fields that the IDL gives them,
// and the comparison of a decoded message with a tree.
package wiretest
