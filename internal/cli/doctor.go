package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
	"github.com/spf13/cobra"
)

// check is one thing that the doctor looks at.
type check struct {
	ID       string   `json:"id"`
	Verdict  string   `json:"verdict"` // as of survey, or skip
	Evidence []string `json:"evidence"`
	Fix      []string `json:"fix"` // command lines
}

// skip is the verdict of a check that could not be made.
const skip = "SKIP"

func newDoctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [TABLE]",
		Short: "Look for what is wrong with the cluster, and say what helps",
		Long: `Look for what is wrong with the cluster, or with one table of it, and say what
helps. It changes nothing. Each check has an id, a verdict, what was seen, and a
command that helps; one that cannot be made is SKIP, with the reason. If one is
WARN or CRIT the status is 5, and 4 if no meta server answers.

The output json is for a ticket: it has names of tables, addresses of servers
and figures, but no keys and no values. PEGASUS_TABLE is not heeded.`,
		Example:     "  pegasus doctor\n  pegasus doctor users\n  pegasus doctor -o json > ticket.json",
		Annotations: map[string]string{needsCluster: "yes", answersItself: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table := ""
			switch {
			case cmd.Flags().Changed("table") || len(args) > 1:
				var err error
				if table, _, err = a.arguments(cmd, args); err != nil {
					return err
				}
			case len(args) == 1:
				table = args[0]
			}
			if err := a.reportFormat(); err != nil {
				return err
			}
			return a.withAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error { return a.doctor(ctx, c, table) })
		},
	}
}

func (a *app) doctor(ctx context.Context, c *admin.Client, table string) error {
	// Half of the time is for the first look: if it fails there is something to be said.
	looking, cancel := context.WithTimeout(ctx, a.timeout/2)
	defer cancel()
	s, err := survey.Take(looking, c, a.metaServers())
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	p := patient{Survey: s, table: table, err: err}
	if err == nil && table != "" {
		if p.err = p.only(table); p.err != nil {
			return p.err
		}
	}
	if err == nil {
		p.rtts = askAgain(ctx, c, s)
		p.routes = a.tryRoutes(ctx, s)
	}
	var checks []check
	for _, f := range allChecks {
		checks = append(checks, p.examine(f))
	}
	if err := a.printer().Document(doctorScreen(&p, checks), doctorDocument(&p, checks, a.metaServers())); err != nil {
		return err
	}
	switch verdict, _ := sumUp(checks); {
	case p.err != nil && exit.Of(p.err) == exit.Unreachable:
		return &exit.Error{Code: exit.Unreachable}
	case p.err != nil:
		return p.err
	case verdict != survey.OK:
		return &exit.Error{Code: exit.Unhealthy}
	}
	return nil
}

// sumUp returns the worst verdict and a sentence.
func sumUp(checks []check) (verdict, sentence string) {
	verdict = survey.OK
	n := make(map[string]int)
	for _, c := range checks {
		n[c.Verdict]++
	}
	bad := n[survey.Warn] + n[survey.Crit]
	switch {
	case n[survey.Crit] > 0:
		verdict = survey.Crit
	case n[survey.Warn] > 0:
		verdict = survey.Warn
	}
	sentence = fmt.Sprintf("%d of %d checks found something wrong", bad, len(checks))
	if bad == 0 {
		sentence = fmt.Sprintf("%d checks found nothing wrong", n[survey.OK])
	}
	if n[skip] > 0 {
		sentence += fmt.Sprintf("; %d could not be made", n[skip])
	}
	return verdict, sentence
}

func doctorScreen(p *patient, checks []check) string {
	var b strings.Builder
	about := "cluster " + esc.Text(orUnknown(p.Cluster))
	if p.table != "" {
		about = "table " + esc.Text(p.table) + "   " + about
	}
	right := about + "   " + p.Time.UTC().Format("2006-01-02 15:04:05Z")
	fmt.Fprintf(&b, "%-*s%s\n", max(0, screenWidth-text.StringWidth(right)), "pegasus doctor", right)
	verdict, sentence := sumUp(checks)
	wrapped(&b, fmt.Sprintf("%-6s", verdict), sentence)
	b.WriteByte('\n')
	for _, c := range checks {
		head := fmt.Sprintf(" %-5s %-12s ", c.Verdict, c.ID)
		for i, e := range c.Evidence {
			wrapped(&b, label(i, head), e)
		}
		for i, f := range c.Fix {
			b.WriteString(strings.Repeat(" ", len(head)) + label(i, "DO  ") + esc.Message(f) + "\n")
		}
	}
	return b.String()
}

// doctorReport is the JSON form. Fields are only added; null is not known.
type doctorReport struct {
	Version int            `json:"v"`
	Time    string         `json:"time"`
	Client  string         `json:"client"`
	Tried   []string       `json:"meta_servers_tried"`
	Cluster string         `json:"cluster"`
	Table   any            `json:"table"`
	Verdict string         `json:"verdict"`
	Text    string         `json:"text"`
	Checks  []check        `json:"checks"`
	Servers []doctorServer `json:"servers"`
}

type doctorServer struct {
	Addr    string `json:"addr"`
	Role    string `json:"role"`
	Version any    `json:"version"`
	RTTMs   any    `json:"rtt_ms"`
	Error   any    `json:"error"`
}

func doctorDocument(p *patient, checks []check, tried []string) doctorReport {
	verdict, sentence := sumUp(checks)
	r := doctorReport{
		Version: 1, Time: p.Time.UTC().Format(time.RFC3339), Client: fmt.Sprintf("pegasus %s %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH),
		Tried: tried, Cluster: p.Cluster, Verdict: verdict, Text: sentence, Checks: checks, Servers: []doctorServer{},
	}
	if p.table != "" {
		r.Table = p.table
	}
	add := func(s survey.Server, role pegasus.Role) {
		d := doctorServer{Addr: s.Addr, Role: string(role), Error: because(s.Err)}
		if s.Version != "" {
			d.Version = s.Version
		}
		if rtt, ok := p.rtts[s.Addr]; ok {
			d.RTTMs = knownMillis(rtt)
		}
		r.Servers = append(r.Servers, d)
	}
	for _, m := range p.Metas {
		add(m, pegasus.RoleMeta)
	}
	for _, n := range p.Nodes {
		add(n.Server, pegasus.RoleReplica)
	}
	return r
}
