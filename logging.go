package pegasus

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// logEvery is how often a message about one thing is logged at most. What was left out
// meanwhile is counted by the next one.
const logEvery = 10 * time.Second

// logging returns an observer that logs changes of state. It is told of nothing that
// has keys or values in it, and of no single request but to count it.
func logging(logger *slog.Logger) Observer {
	l := &changeLog{logger: logger, said: make(map[string]*said)}
	return Observer{
		ConnectionDialed: func(e ConnectionDialed) {
			if e.Err != nil {
				l.log(slog.LevelWarn, "cannot connect", e.Server, server(e.Server, e.Bulk), failure(e.Err))
				return
			}
			l.log(slog.LevelDebug, "connected", e.Server, server(e.Server, e.Bulk), slog.Duration("duration", e.Duration))
		},
		ConnectionLost: func(e ConnectionLost) {
			if !errors.Is(e.Err, ErrClosed) {
				l.log(slog.LevelWarn, "connection lost", e.Server, server(e.Server, e.Bulk), failure(e.Err))
			}
		},
		ConnectionStalled: func(e ConnectionStalled) {
			l.log(slog.LevelWarn, "server does not answer", e.Server, server(e.Server, e.Bulk), slog.Duration("silent", e.Silent))
		},
		ConnectionRecovered: func(e ConnectionRecovered) {
			l.log(slog.LevelInfo, "server answers again", e.Server, server(e.Server, e.Bulk))
		},
		RouteRefreshing: func(e RouteRefreshing) {
			l.log(slog.LevelDebug, "asking the meta servers", e.Table, table(e.Table))
		},
		RouteRefreshed: func(e RouteRefreshed) {
			switch {
			case errors.Is(e.Err, ErrTableNotFound):
				l.log(slog.LevelWarn, "table does not exist", e.Table, table(e.Table))
			case e.Err != nil && !errors.Is(e.Err, ErrClosed):
				l.log(slog.LevelWarn, "no answer from the meta servers", e.Table, table(e.Table), slog.Duration("duration", e.Duration), failure(e.Err))
			case e.Err == nil:
				l.log(slog.LevelDebug, "the meta servers answered", e.Table, table(e.Table), slog.Duration("duration", e.Duration), slog.Int("partitions", e.Partitions))
			}
		},
		RouteChanged: func(e RouteChanged) {
			level := slog.LevelInfo
			if e.To == "" {
				level = slog.LevelWarn
			}
			l.log(level, "primary changed", e.Table+" "+strconv.Itoa(int(e.Partition)), table(e.Table), slog.Int("table_id", int(e.TableID)), slog.Int("partition", int(e.Partition)),
				slog.String("from", e.From), slog.String("to", e.To), slog.Int64("ballot", e.Ballot))
		},
		TableSplit: func(e TableSplit) {
			l.log(slog.LevelInfo, "table was split", e.Table, table(e.Table), slog.Int("table_id", int(e.TableID)),
				slog.Int("from", e.From), slog.Int("to", e.To))
		},
		TableReplaced: func(e TableReplaced) {
			l.log(slog.LevelWarn, "table was replaced", e.Table, table(e.Table), slog.Int("from", int(e.From)), slog.Int("to", int(e.To)))
		},
		Retrying: func(_ context.Context, e Retrying) {
			l.log(slog.LevelWarn, "requests are sent again", e.Table+" "+string(e.Reason), table(e.Table), slog.String("reason", string(e.Reason)))
		},
	}
}

func server(addr string, bulk bool) slog.Attr {
	if bulk {
		return slog.Group("", slog.String("server", addr), slog.Bool("bulk", true))
	}
	return slog.String("server", addr)
}

func table(name string) slog.Attr { return slog.String("table", printable(name)) }

func failure(err error) slog.Attr { return slog.String("error", printable(err.Error())) }

// printable returns s with what may end a line, or is no text, escaped.
func printable(s string) string {
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// changeLog logs, and not the same again and again.
type changeLog struct {
	logger *slog.Logger

	mu   sync.Mutex
	said map[string]*said
}

// said is when something was logged last, and how often it was not since.
type said struct {
	at    time.Time
	times int
}

// mostSaid bounds the number of things that are remembered.
const mostSaid = 1000

// log logs a message about something, unless it was logged lately.
func (l *changeLog) log(level slog.Level, msg, about string, attrs ...slog.Attr) {
	ctx := context.Background()
	if !l.logger.Enabled(ctx, level) {
		return
	}
	suppressed, ok := l.turn(msg+" "+about, time.Now())
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	l.logger.LogAttrs(ctx, level, msg, attrs...)
}

// turn reports whether something may be logged now, and how often it could not be
// since it was logged last.
func (l *changeLog) turn(what string, now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.said[what]
	switch {
	case s == nil:
		if len(l.said) >= mostSaid {
			for old, s := range l.said {
				if now.Sub(s.at) >= logEvery {
					delete(l.said, old)
				}
			}
		}
		if len(l.said) < mostSaid {
			l.said[what] = &said{at: now}
		}
		return 0, true
	case now.Sub(s.at) < logEvery:
		s.times++
		return 0, false
	}
	suppressed = s.times
	s.at, s.times = now, 0
	return suppressed, true
}
