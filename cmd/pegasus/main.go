// Command pegasus works with a Pegasus cluster: rows, tables, and a onebox, a whole
// Pegasus in one process.
//
// Run pegasus help for what it can do. That of the module
// github.com/pegasus-go/pegasus/auth/kerberos can do it with secured clusters, too.
package main

import "github.com/pegasus-go/pegasus/internal/cli"

func main() { cli.Main(nil) }
