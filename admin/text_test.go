package admin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// What a person reads: one line, with each server once.
func TestTexts(t *testing.T) {
	hint := func(code wire.ErrorCode, text string) peer.Handler {
		resp := wire.HintResponse{Err: code, Hint: text}
		return peer.Result(wire.Of(&resp))
	}
	drop := func(ctx context.Context, c *Client) error { return c.DropTable(ctx, "a", 0) }
	rename := func(ctx context.Context, c *Client) error { return c.RenameTable(ctx, "a", "b") }
	nodes := func(ctx context.Context, c *Client) error { return discard(c.Nodes(ctx)) }
	command := func(ctx context.Context, c *Client) error {
		return discard(c.RemoteCommand(ctx, metaAddr, "help"))
	}
	for _, tc := range []struct {
		handle peer.Handler
		call   func(ctx context.Context, c *Client) error
		text   string
	}{
		{peer.Hangup, drop, `pegasus: DropTable table "a": it may or may not have been carried out: no meta server answered: 10.0.0.1:34601: unexpected EOF`},
		{peer.Silence, drop, `pegasus: DropTable table "a": it may or may not have been carried out: context deadline exceeded: no meta server answered: 10.0.0.1:34601: no answer yet`},
		{peer.Hangup, nodes, `pegasus: Nodes: context deadline exceeded; last failure: no meta server answered: 10.0.0.1:34601: unexpected EOF`},
		{peer.Code(wire.ErrHandlerNotFound), nodes, `pegasus: Nodes: no meta server answered: 10.0.0.1:34601: no meta server, or one that is too old for RPC_CM_LIST_NODES: ERR_HANDLER_NOT_FOUND`},
		{func(r *peer.Request) { r.Send([]byte("HTTP/1.1 400 Bad Request")) }, nodes, `pegasus: Nodes: no meta server answered: 10.0.0.1:34601: malformed message: the peer speaks HTTP, not the Pegasus protocol`},
		{hint(wire.ErrInvalidParameters, "name\nis\r\nin use\x1b[2J"), rename, `pegasus: RenameTable table "a": ERR_INVALID_PARAMETERS (name is  in use [2J)`},
		{hint("ERR_OF\nTOMORROW", ""), rename, `pegasus: RenameTable table "a": ERR_OF TOMORROW`},
		{hint(wire.ErrAppNotExist, ""), rename, `pegasus: RenameTable table "a": table does not exist: ERR_APP_NOT_EXIST`},
		{hint(wire.ErrUnderRecovery, ""), rename, `pegasus: RenameTable table "a": context deadline exceeded; last failure: ERR_UNDER_RECOVERY`},
		{peer.Hangup, command, `pegasus: RemoteCommand at 10.0.0.1:34601: it may or may not have been carried out: unexpected EOF`},
		{peer.Silence, command, `pegasus: RemoteCommand at 10.0.0.1:34601: it may or may not have been carried out: context deadline exceeded`},
		{peer.Code(wire.ErrHandlerNotFound), command, `pegasus: RemoteCommand at 10.0.0.1:34601: ERR_HANDLER_NOT_FOUND`},
	} {
		inBubble(t, tc.handle, func(t *testing.T, c *Client) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := tc.call(ctx, c); err == nil || err.Error() != tc.text {
				t.Errorf("%v\nwant %s", err, tc.text)
			}
		})
	}
}

// An Error has what it is about in the types of this package, and is found with those
// of package pegasus.
func TestErrorHasTypesOfThePackage(t *testing.T) {
	ok := wire.ListNodesResponse{Err: "ERR_OF_TOMORROW"}
	inBubble(t, peer.Result(wire.Of(&ok)), func(t *testing.T, c *Client) {
		_, err := c.Nodes(t.Context())
		var code ErrorCode
		if !errors.As(err, &code) || code != "ERR_OF_TOMORROW" || !errors.Is(err, code) || errors.Is(err, ErrBusy) {
			t.Errorf("%v has the code %q", err, code)
		}
		var refused *ArgumentError
		if errors.As(err, &refused) {
			t.Errorf("%v has %v", err, refused)
		}
		err = c.DropTable(t.Context(), "", 0)
		if !errors.As(err, &refused) || refused.Name != "table" || refused.Reason != "must not be empty" || !errors.Is(refused, ErrInvalidArgument) {
			t.Errorf("%v has %v", err, refused)
		}
		if want := "invalid argument: table must not be empty"; refused.Error() != want {
			t.Errorf("%v, want %s", refused, want)
		}
		if errors.As(err, &code) {
			t.Errorf("%v has the code %q", err, code)
		}
	})
	for _, same := range []struct{ admin, pegasus error }{
		{ErrBusy, pegasus.ErrBusy},
		{&Error{Err: wire.ErrBusy}, pegasus.ErrBusy},
		{pegasus.ErrBusy, ErrBusy},
		{&Error{Err: wire.ErrBusy}, ErrBusy},
		{&Error{Err: pegasus.ErrBusy}, ErrBusy},
	} {
		if !errors.Is(same.admin, same.pegasus) || errors.Is(same.admin, ErrSplitting) {
			t.Errorf("%#v is not %#v", same.admin, same.pegasus)
		}
	}
}

// The values that the documentation shows are those of the protocol.
func TestValues(t *testing.T) {
	for code, want := range map[ErrorCode]wire.ErrorCode{
		ErrAppExist: wire.ErrAppExist, ErrAppNotExist: wire.ErrAppNotExist, ErrAppDropped: wire.ErrAppDropped,
		ErrInvalidParameters: wire.ErrInvalidParameters, ErrInvalidState: wire.ErrInvalidState, ErrBusy: wire.ErrBusy,
		ErrBusyCreating: wire.ErrBusyCreating, ErrBusyDropping: wire.ErrBusyDropping, ErrSplitting: wire.ErrSplitting,
		ErrChildRegistered: wire.ErrChildRegistered, ErrOperationDisabled: wire.ErrOperationDisabled,
		ErrStateFreezed: wire.ErrStateFreezed, ErrServiceNotActive: wire.ErrServiceNotActive,
		ErrUnderRecovery: wire.ErrUnderRecovery, ErrHandlerNotFound: wire.ErrHandlerNotFound, ErrACLDeny: wire.ErrACLDeny,
	} {
		if string(code) != string(want) {
			t.Errorf("%s, want %s", code, want)
		}
	}
	for status, want := range map[TableStatus]wire.AppStatus{
		AnyStatus: wire.AppInvalid, TableAvailable: wire.AppAvailable, TableCreating: wire.AppCreating,
		TableDropping: wire.AppDropping, TableDropped: wire.AppDropped, TableRecalling: wire.AppRecalling,
	} {
		if int32(status) != int32(want) {
			t.Errorf("%v is %d, want %d", status, status, want)
		}
	}
	for status, want := range map[SplitStatus]wire.SplitStatus{
		NotSplit: wire.NotSplit, Splitting: wire.Splitting, Pausing: wire.Pausing, Paused: wire.Paused, Canceling: wire.Canceling,
	} {
		if int32(status) != int32(want) {
			t.Errorf("%v is %d, want %d", status, status, want)
		}
	}
	for level, want := range map[Level]wire.MetaFunctionLevel{
		LevelStopped: wire.MetaStopped, LevelBlind: wire.MetaBlind, LevelFreezed: wire.MetaFreezed,
		LevelSteady: wire.MetaSteady, LevelLively: wire.MetaLively,
	} {
		if int32(level) != int32(want) {
			t.Errorf("%v is %d, want %d", level, level, want)
		}
	}
}
