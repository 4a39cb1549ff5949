// Package kerberos authenticates the client at clusters of Apache Pegasus that are secured
// with Kerberos: by SASL with the mechanism GSSAPI, as the Java client does.
//
//	auth, err := kerberos.New(kerberos.Config{
//		Service:   "pegasus/pegasus.example.com", // kerberos_service_name/kerberos_service_fqdn of the Java client
//		Principal: "alice@EXAMPLE.COM",
//		Keytab:    "/etc/alice.keytab",
//	})
//	if err != nil {
//		return err
//	}
//	client, err := pegasus.New(pegasus.Config{MetaServers: metas, Auth: auth})
//
// It is a module of its own, so that the client itself needs nothing but the standard library.
// The protocol is that of package github.com/jcmturner/gokrb5.
//
// # Tickets
//
// With a Keytab, tickets are had from the KDC when a connection is made, and used for further
// connections until four fifths of their life are over; then new ones are asked for, and
// the old ones used until their end if there are none to be had. A KDC that has said no is asked again
// after ten seconds. With a credential cache, what kinit has put there is used, read again when new
// tickets are needed, and a ticket that may be renewed is renewed, in memory. Connections that there are outlive their tickets: nobody
// looks at them again.
//
// Nothing goes on beside that, and nothing has to be closed.
//
// # What is not there
//
// The service is in the realm of the client, or in one with which that has agreed on a key: there
// is no way over further realms. KDCs are asked over TCP only. krb5.conf is read without what it
// includes, and credential caches are files. Keys are AES: RC4 and DES are refused. Nothing is
// encrypted but what Kerberos encrypts.
package kerberos
