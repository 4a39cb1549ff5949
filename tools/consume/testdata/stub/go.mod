module github.com/apache/incubator-pegasus/go-client

go 1.18
