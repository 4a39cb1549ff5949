module github.com/pegasus-go/pegasus/internal/wire/oracle

go 1.26.0

require (
	github.com/apache/thrift v0.25.0
	github.com/pegasus-go/pegasus v0.0.0
	pgregory.net/rapid v1.3.0
)

replace github.com/pegasus-go/pegasus => ../../..
