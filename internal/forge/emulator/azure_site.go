package emulator

import "net/http"

func (f *Forge) azurePages() http.Handler { return http.NotFoundHandler() }
