// Go's httputil.ReverseProxy. Arguments: port, upstream, CA file.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
)

func main() {
	port, address, authority := os.Args[1], os.Args[2], os.Args[3]
	upstream, err := url.Parse(address)
	if err != nil {
		log.Fatal(err)
	}
	kept, err := strconv.Atoi(os.Getenv("KEPT_CONNECTIONS"))
	if err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = kept, kept
	transport.DisableCompression = true
	transport.ForceAttemptHTTP2 = false
	if authority != "" {
		pem, err := os.ReadFile(authority)
		if err != nil {
			log.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	credential := os.Getenv("CREDENTIAL")
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(upstream)
			request.Out.URL.Path = strings.TrimPrefix(request.In.URL.Path, "/plain")
			request.Out.Header.Set("Authorization", credential)
		},
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, proxy))
}
