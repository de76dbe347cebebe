package web

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/console"
)

// static gives a file of the console. Its address changes with its content, so
// that a browser keeps it; it says nothing about anybody.
func static(c echo.Context) error {
	f, known := console.Static(c.Request().URL.Path)
	if !known {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if !strings.Contains(c.Request().Header.Get(echo.HeaderAcceptEncoding), "gzip") {
		return c.Blob(http.StatusOK, f.Type, f.Data)
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	return c.Blob(http.StatusOK, f.Type, f.Gzip)
}
