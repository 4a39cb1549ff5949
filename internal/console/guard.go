package console

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// policy lets the page load its own files, and nothing else run or load anything.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard lets pass what comes from our page. A name of somebody else that leads to this
// machine is not in hosts, and a page of somebody else has another origin. The token
// is for other users of the machine: serveCall asks for it.
func guard(next http.Handler, hosts []string) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !slices.Contains(hosts, strings.ToLower(r.Host)) {
			http.Error(w, "This name is not one of the console's: use the address that it has printed.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allowedHosts returns what may be in the Host of a request to a listener.
func allowedHosts(addr net.Addr, more []string) []string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil
	}
	var hosts []string
	for _, name := range append([]string{"127.0.0.1", "localhost", "::1", host}, more...) {
		name = strings.ToLower(name)
		hosts = append(hosts, net.JoinHostPort(name, port))
		if port == "80" {
			hosts = append(hosts, name)
		}
	}
	return hosts
}
