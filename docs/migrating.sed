# Makes imports of the official Go client those of pegasus-go: see migrating.md. For GNU sed -i -E.

# The packages pegasus and config are one package, which is imported once.
s#"github.com/apache/incubator-pegasus/go-client/(pegasus|config)"#"github.com/pegasus-go/pegasus"#
0,\#"github.com/pegasus-go/pegasus"#! {
	\#"github.com/pegasus-go/pegasus"#d
}
s#\bconfig\.(Config|NewConfig)\b#pegasus.\1#g

# The logger of the client becomes that of package log, imported once, and is no longer set:
# Config.Logger is for what the client itself has to say.
s#"github.com/apache/incubator-pegasus/go-client/pegalog"#"log"#
0,\#^\t?(import )?"log"$#! {
	\#^\t"log"$#d
}
s#\bpegalog\.GetLogger\(\)#log.Default()#g
\#^\t*pegalog\.SetLogger\(.*\)$#d
\#^\t*pegalog\.SetLogger\(.*\{$#,\#^\t*\}\)\)$#d
