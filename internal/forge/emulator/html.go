package emulator

import "net/http"

func (f *Forge) htmlHandler() http.Handler { return http.NotFoundHandler() }
