package emulator_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/servicehooks"

	"github.com/coderflow/coderflow/internal/forge/emulator"
)

func (w *azureWorld) subscriptions(login string) []servicehooks.Subscription {
	w.t.Helper()
	list, err := servicehooks.NewClient(w.t.Context(), w.as(login)).ListSubscriptions(w.t.Context(), servicehooks.ListSubscriptionsArgs{})
	must(w.t, err)
	return *list
}

func TestAzureHooksTellOfWorkItems(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "")
	_, err := w.patch("bob", id, operation("add", "/fields/System.Tags", "coderflow"))
	must(t, err)
	said := w.comment("alice", id, "<div>/coderflow run</div>")
	w.settle()
	updated, commented := w.hooks.of("workitem.updated"), w.hooks.of("workitem.commented")
	if len(updated) != 2 || len(commented) != 1 {
		t.Fatalf("%d updated, %d commented", len(updated), len(commented))
	}
	first := updated[0].event.Resource
	tags := first["fields"].(map[string]any)["System.Tags"].(map[string]any)
	if first["workItemId"] != float64(id) || tags["newValue"] != "coderflow" || first["revisedBy"].(map[string]any)["id"] != w.user("bob").GUID {
		t.Errorf("updated: %s", updated[0].raw)
	}
	second := commented[0].event
	fields := second.Resource["fields"].(map[string]any)
	ref := second.Resource["commentVersionRef"].(map[string]any)
	if second.Resource["id"] != float64(id) || fields["System.History"] != "<div>/coderflow run</div>" || ref["commentId"] != float64(*said.Id) ||
		second.Containers["project"].ID != w.info.Azure.Projects[0].GUID {
		t.Errorf("commented: %s", commented[0].raw)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(w.info.Azure.WebhookUser+":"+w.info.Azure.WebhookPassword))
	if commented[0].header.Get("Authorization") != want {
		t.Error("the delivery carries other credentials")
	}
	if d := w.forge.Deliveries(); d[len(d)-1].GUID != second.ID || d[len(d)-1].Status != 200 {
		t.Errorf("deliveries: %+v", d)
	}
}

func TestAzureHooksTellOfPullRequests(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id, dir := w.pull("topic", false)
	w.push("alice", dir, "topic", "two\n")
	must(t, w.vote("bob", id, 10))
	_, err := w.git("bob").CreateThread(t.Context(), git.CreateThreadArgs{RepositoryId: ptr(w.repoGUID()), PullRequestId: &id,
		CommentThread: &git.GitPullRequestCommentThread{Comments: &[]git.Comment{{Content: ptr("/coderflow status")}}}})
	must(t, err)
	must(t, w.complete("alice", id, nil))
	w.settle()
	if n := len(w.hooks.of("git.pullrequest.created")); n != 1 {
		t.Errorf("%d created", n)
	}
	var texts []string
	for _, d := range w.hooks.of("git.pullrequest.updated") {
		texts = append(texts, d.event.Message.Text)
	}
	if got := strings.Join(texts, "\n"); !strings.Contains(got, "updated the source branch of") || !strings.Contains(got, "Bob Brown approved") || !strings.Contains(got, "completed") {
		t.Errorf("updated: %s", got)
	}
	said := w.hooks.of("ms.vss-code.git-pullrequest-comment-event")
	if len(said) != 1 || said[0].event.Resource["comment"].(map[string]any)["content"] != "/coderflow status" ||
		said[0].event.Resource["pullRequest"].(map[string]any)["pullRequestId"] != float64(id) {
		t.Errorf("comments: %+v", said)
	}
	if pushes := w.hooks.of("git.push"); len(pushes) != 3 || len(w.hooks.of("git.pullrequest.merged")) != 3 {
		t.Errorf("%d pushes, %d merges", len(pushes), len(w.hooks.of("git.pullrequest.merged")))
	}
}

func TestAzureHooksSendNoMoreThanAskedFor(t *testing.T) {
	t.Parallel()
	for level, check := range map[string]func(map[string]any) bool{
		"minimal": func(r map[string]any) bool { return r["id"] != nil && r["fields"] == nil },
		"none":    func(r map[string]any) bool { return r == nil },
	} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			w := newAzureWorld(t, func(o *emulator.Options) { o.Azure.ResourceDetails = level })
			w.comment("alice", w.item("alice", "A story", ""), "hello")
			w.settle()
			if got := w.hooks.of("workitem.commented"); len(got) != 1 || !check(got[0].event.Resource) {
				t.Errorf("sent: %+v", got)
			}
		})
	}
}

func TestAzureHooksRetryWhatFailsForAMoment(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "")
	w.settle()
	w.hooks.status = []int{200, 503, 502, 200} // the update, then the comment
	w.comment("alice", id, "hello")
	w.settle()
	got := w.hooks.of("workitem.commented")
	if len(got) != 3 || got[0].event.ID != got[2].event.ID || got[0].event.NotificationID != got[2].event.NotificationID {
		t.Errorf("%d attempts", len(got))
	}
	w.hooks.status = []int{200, 500}
	w.comment("alice", id, "again")
	w.settle()
	if n := len(w.hooks.of("workitem.commented")); n != 4 {
		t.Errorf("%d attempts with one that failed for good", n)
	}
	w.hooks.status = []int{200, 410}
	w.comment("alice", id, "a third")
	w.comment("alice", id, "a fourth")
	w.settle()
	if n := len(w.hooks.of("workitem.commented")); n != 5 {
		t.Errorf("%d attempts after 410", n)
	}
	for _, s := range w.subscriptions("olga") {
		if disabled := *s.Status == "disabledBySystem"; disabled != (*s.EventType == "workitem.commented") {
			t.Errorf("%s is %s", *s.EventType, *s.Status)
		}
	}
}

func TestAzureHooksCanBeDroppedAndSentAgain(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	id := w.item("alice", "A story", "")
	w.forge.DropDeliveries(func(event string) bool { return event == "workitem.commented" })
	w.comment("alice", id, "hello")
	w.settle()
	if n := len(w.hooks.of("workitem.commented")); n != 0 {
		t.Fatalf("%d came through", n)
	}
	w.forge.DropDeliveries(nil)
	all := w.forge.Deliveries()
	must(t, w.forge.Redeliver(all[len(all)-1].GUID))
	w.settle()
	if n := len(w.hooks.of("workitem.commented")); n != 1 {
		t.Errorf("%d after it was sent again", n)
	}
}

func TestAzureSubscriptionsAreKept(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t, func(o *emulator.Options) { o.Azure.NoSubscriptions = true })
	if n := len(w.subscriptions("olga")); n != 0 {
		t.Fatalf("%d subscriptions", n)
	}
	hooks := servicehooks.NewClient(t.Context(), w.as("olga"))
	inputs := map[string]string{"url": "https://example.com/hook", "basicAuthUsername": "u", "basicAuthPassword": "secret", "resourceDetailsToSend": "minimal"}
	wanted := servicehooks.Subscription{PublisherId: ptr("tfs"), EventType: ptr("git.push"), ConsumerId: ptr("webHooks"), ConsumerActionId: ptr("httpRequest"),
		PublisherInputs: &map[string]string{"projectId": w.info.Azure.Projects[0].GUID}, ConsumerInputs: &inputs}
	made, err := hooks.CreateSubscription(t.Context(), servicehooks.CreateSubscriptionArgs{Subscription: &wanted})
	must(t, err)
	if *made.Status != "enabled" || (*made.ConsumerInputs)["basicAuthPassword"] == "secret" {
		t.Errorf("made: %+v", made)
	}
	found, err := hooks.CreateSubscriptionsQuery(t.Context(), servicehooks.CreateSubscriptionsQueryArgs{Query: &servicehooks.SubscriptionsQuery{PublisherId: ptr("tfs"), EventType: ptr("git.push")}})
	must(t, err)
	if len(*found.Results) != 1 {
		t.Errorf("found: %+v", found)
	}
	_, err = servicehooks.NewClient(t.Context(), w.as("alice")).CreateSubscription(t.Context(), servicehooks.CreateSubscriptionArgs{Subscription: &wanted})
	if status, _, _ := refused(err); status != 403 {
		t.Errorf("subscribing without the permission: %v", err)
	}
	must(t, hooks.DeleteSubscription(t.Context(), servicehooks.DeleteSubscriptionArgs{SubscriptionId: made.Id}))
	if n := len(w.subscriptions("olga")); n != 0 {
		t.Errorf("%d subscriptions after one was deleted", n)
	}
	publishers, err := hooks.ListPublishers(t.Context(), servicehooks.ListPublishersArgs{})
	must(t, err)
	consumers, err := hooks.ListConsumers(t.Context(), servicehooks.ListConsumersArgs{})
	must(t, err)
	if *(*publishers)[0].Id != "tfs" || *(*consumers)[0].Id != "webHooks" {
		t.Errorf("%+v, %+v", publishers, consumers)
	}
}

func TestAzureTestNotificationsAreSent(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t)
	url := (*w.subscriptions("olga")[0].ConsumerInputs)["url"]
	_, err := servicehooks.NewClient(t.Context(), w.as("olga")).CreateTestNotification(t.Context(), servicehooks.CreateTestNotificationArgs{TestNotification: &servicehooks.Notification{
		Details: &servicehooks.NotificationDetails{EventType: ptr("git.push"), PublisherId: ptr("tfs"), ConsumerId: ptr("webHooks"), ConsumerActionId: ptr("httpRequest"),
			PublisherInputs: &map[string]string{"projectId": w.info.Azure.Projects[0].GUID}, ConsumerInputs: &map[string]string{"url": url}}}})
	must(t, err)
	w.settle()
	if got := w.hooks.of("git.push"); len(got) != 1 || got[0].event.SubscriptionID != "00000000-0000-0000-0000-000000000000" {
		t.Errorf("sent: %+v", got)
	}
}

func TestAzureCrashLosesWhatWasToBeSentAgain(t *testing.T) {
	t.Parallel()
	w := newAzureWorld(t, func(o *emulator.Options) { o.Azure.RetryAfter = func(int) time.Duration { return time.Hour } })
	id := w.item("alice", "A story", "")
	w.hooks.status, w.hooks.arrived = []int{503, 503}, make(chan string, 10)
	w.comment("alice", id, "hello")
	for <-w.hooks.arrived != "workitem.commented" {
		continue // the update comes first
	}
	must(t, w.forge.Crash())
	must(t, w.forge.Restart(t.Context()))
	w.settle()
	if got := w.forge.Comments(azureRepo, id); len(got) != 1 || got[0].Text != "hello" {
		t.Errorf("after the crash: %+v", got)
	}
	w.comment("alice", id, "again")
	w.settle()
	if n := len(w.hooks.of("workitem.commented")); n != 2 {
		t.Errorf("%d deliveries", n)
	}
}
