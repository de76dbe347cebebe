package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// TLS are the files with which an engine and its client know each other (PEM). There is no way not to check.
type TLS struct {
	CAFile   string // signs the engine's certificate, whatever else this machine trusts
	CertFile string // the client's
	KeyFile  string
}

func (t TLS) given() bool { return t != TLS{} }

// dialTime bounds the opening of a connection to an engine on another machine.
const dialTime = 10 * time.Second

// liveness finds out within half a minute that the other machine is gone.
var liveness = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialer reads the files. A certificate that is replaced later is used from the next connection on.
func (t TLS) dialer() (dialer, error) {
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	to := &tls.Dialer{NetDialer: &net.Dialer{KeepAliveConfig: liveness}, Config: config}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		return to.DialContext(ctx, network, address)
	}, nil
}

func (t TLS) config() (*tls.Config, error) {
	text, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("docker.tls.caFile: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("docker.tls.caFile: %s holds no certificate (PEM)", t.CAFile)
	}
	if _, err := t.own(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: authorities,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.own() },
	}, nil
}

// own reads the client's certificate with its key.
func (t TLS) own() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("docker.tls: the certificate %s with the key %s: %w", t.CertFile, t.KeyFile, err)
	}
	if pair.Leaf == nil {
		return nil, errors.New("docker.tls.certFile: it holds no certificate")
	}
	return &pair, nil
}
