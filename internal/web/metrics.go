package web

import (
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"
)

// forwarded are headers that a proxy adds. A request that has one comes from
// elsewhere, whatever its last hop is.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"}

// metrics answers this machine and the networks that an admin named: the figures
// name environments and tell what they spend. A collector elsewhere reads them
// through a tunnel or an agent on this machine.
func (s *server) metrics(c echo.Context) error {
	r := c.Request()
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !s.mayReadMetrics(from.Addr().Unmap()) {
		return echo.NewHTTPError(http.StatusForbidden, "metrics are for this machine only")
	}
	for _, name := range forwarded {
		if r.Header.Get(name) != "" {
			return echo.NewHTTPError(http.StatusForbidden, "metrics are for this machine only")
		}
	}
	s.Metrics.ServeHTTP(c.Response(), r)
	return nil
}

func (s *server) mayReadMetrics(from netip.Addr) bool {
	for _, network := range s.MetricsFrom {
		if network.Contains(from) {
			return true
		}
	}
	return from.IsLoopback()
}
