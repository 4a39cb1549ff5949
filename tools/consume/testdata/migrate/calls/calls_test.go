package calls

import (
	"context"
	"os"
	"testing"

	"github.com/apache/incubator-pegasus/go-client/config"
	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

func TestCalls(t *testing.T) {
	client := pegasus.NewClient(config.Config{MetaServers: []string{os.Getenv("META")}})
	defer client.Close()
	if err := Calls(context.Background(), client); err != nil {
		t.Error(err)
	}
}
