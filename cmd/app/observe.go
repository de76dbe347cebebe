package main

import (
	"context"
	"errors"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/wire"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/telemetry"
)

// observer turns what happens into figures and spans; it implements engine.Observer.
type observer struct {
	figures *workFigures
	tracer  *telemetry.Tracer // nil: nothing is traced
}

// job tells of one job, and has all that is said during it name its task or delivery.
func (o *observer) job(kind queue.Kind, do queue.Handler) queue.Handler {
	return func(ctx context.Context, key string) error {
		about := telemetry.About{Task: key}
		if kind == queue.Deliver {
			about = telemetry.About{Delivery: key}
		}
		ctx = telemetry.With(ctx, about)
		if kind == queue.Merge { // it repeats itself for as long as the pull request is open
			ctx, _ = o.tracer.Begin(ctx, "merge")
		}
		began := time.Now()
		err := do(ctx, key)
		o.figures.jobs.WithLabelValues(string(kind), jobOutcome(err)).Observe(time.Since(began).Seconds())
		return err
	}
}

func jobOutcome(err error) string {
	again := (*queue.AgainError)(nil)
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &again):
		return "again"
	}
	return "failed"
}

// Accepted implements engine.Observer.
func (o *observer) Accepted(_ context.Context, d forge.Delivery, fresh bool) {
	if !fresh {
		o.figures.deliveries.WithLabelValues(d.Host, "duplicate").Inc()
		return
	}
	o.figures.deliveries.WithLabelValues(d.Host, "stored").Inc()
	o.tracer.Emit(telemetry.Span{
		Trace: telemetry.TraceOfDelivery(d.ID), ID: telemetry.SpanOf("delivery/" + d.ID), Name: "webhook request", Kind: telemetry.Server,
		Start: d.ReceivedAt, End: time.Now(), Attributes: deliveryAttributes(d),
	})
}

func deliveryAttributes(d forge.Delivery) []telemetry.Attribute {
	return []telemetry.Attribute{telemetry.String("coderflow.delivery", d.ID), telemetry.String("coderflow.forge", d.Host)}
}

// Delivering implements engine.Observer. Only what concerns a task is told of.
func (o *observer) Delivering(ctx context.Context, d forge.Delivery) (context.Context, func(error)) {
	ctx = telemetry.With(ctx, telemetry.About{Delivery: d.ID})
	ctx, intake := o.tracer.Begin(ctx, "intake", deliveryAttributes(d)...)
	intake.Add(telemetry.Span{
		Name: "webhook", Kind: telemetry.Server, Start: d.ReceivedAt, End: time.Now(), Attributes: deliveryAttributes(d),
		Link: &telemetry.Link{Trace: telemetry.TraceOfDelivery(d.ID), Span: telemetry.SpanOf("delivery/" + d.ID)},
	})
	return ctx, func(err error) { intake.End(err != nil) }
}

// Reached implements engine.Observer.
func (o *observer) Reached(ctx context.Context, id task.ID) {
	telemetry.ScopeOf(ctx).Concerns(string(id))
}

// Stepping implements engine.Observer. A step that changed nothing is counted and not told
// of: tasks are looked at all the time.
func (o *observer) Stepping(ctx context.Context, t task.Task) (context.Context, func(task.Task, error)) {
	ctx = telemetry.With(ctx, telemetry.About{Task: string(t.ID)})
	ctx, step := o.tracer.Begin(ctx, "step "+string(t.State), telemetry.String("coderflow.task", string(t.ID)),
		telemetry.String("coderflow.environment", t.Environment), telemetry.String("coderflow.node", t.Run.Node))
	began := time.Now()
	return ctx, func(now task.Task, err error) {
		outcome := "waited"
		switch {
		case err != nil:
			outcome = jobOutcome(err)
		case now.State != t.State:
			outcome = "moved"
		}
		o.figures.steps.WithLabelValues(string(t.State), outcome).Observe(time.Since(began).Seconds())
		if outcome != "waited" || step.Kept() {
			step.End(outcome == "failed", telemetry.String("coderflow.outcome", outcome), telemetry.String("coderflow.state", string(now.State)))
		}
	}
}

// Moved implements engine.Observer.
func (o *observer) Moved(ctx context.Context, from task.State, t task.Task) {
	o.figures.moves.WithLabelValues(t.Environment, string(from), string(t.State)).Inc()
	if from == task.Running && !t.Run.StartedAt.IsZero() && !t.Run.FinishedAt.IsZero() {
		o.tracer.EmitFor(string(t.ID), telemetry.Span{
			ID: telemetry.SpanOf("run/" + t.Run.Container), Name: "container run", Start: t.Run.StartedAt, End: t.Run.FinishedAt,
			Failed: t.Run.ExitCode != 0, Attributes: append(taskAttributes(t), telemetry.String("coderflow.agent", t.Run.Agent), telemetry.Int("coderflow.exit_code", t.Run.ExitCode)),
		})
	}
	if t.State == task.Approved {
		telemetry.ScopeOf(ctx).Add(telemetry.Span{
			Name: "approval", Start: t.UpdatedAt, End: t.UpdatedAt, Attributes: append(taskAttributes(t), telemetry.String("coderflow.approval", t.ApprovalID)),
		})
	}
	if !t.State.Ended() {
		return
	}
	o.figures.tasks.WithLabelValues(t.Environment, string(t.State)).Observe(seconds(t.CreatedAt, t.UpdatedAt))
	o.tracer.Emit(telemetry.Span{
		Trace: telemetry.TraceOf(string(t.ID)), ID: telemetry.RootOf(string(t.ID)), Name: "task", Start: t.CreatedAt, End: t.UpdatedAt,
		Failed: t.State == task.Failed, Attributes: append(taskAttributes(t), telemetry.String("coderflow.state", string(t.State))),
	})
}

func taskAttributes(t task.Task) []telemetry.Attribute {
	return []telemetry.Attribute{
		telemetry.String("coderflow.task", string(t.ID)), telemetry.String("coderflow.environment", t.Environment), telemetry.Int("coderflow.revision", t.Round()),
	}
}

// LeaseLost implements engine.Observer.
func (o *observer) LeaseLost(context.Context, task.ID) { o.figures.leases.WithLabelValues().Inc() }

// DeploymentEnded implements engine.Observer.
func (o *observer) DeploymentEnded(ctx context.Context, run deploy.Run) {
	began := run.StartedAt
	if began.IsZero() {
		began = run.FinishedAt // it never ran
	}
	o.figures.runs.WithLabelValues(run.Environment, run.Profile, string(run.State)).Observe(seconds(began, run.FinishedAt))
	telemetry.ScopeOf(ctx).Keep()
	o.tracer.EmitFor(string(run.Task), telemetry.Span{
		ID: telemetry.SpanOf("deployment/" + run.ID), Name: "deployment", Start: began, End: run.FinishedAt, Failed: run.State != deploy.Succeeded,
		Attributes: []telemetry.Attribute{
			telemetry.String("coderflow.task", string(run.Task)), telemetry.String("coderflow.deployment", run.ID), telemetry.String("coderflow.environment", run.Environment),
			telemetry.String("coderflow.profile", run.Profile), telemetry.String("coderflow.outcome", string(run.State)),
		},
	})
}

// ExaminationEnded implements engine.Observer.
func (o *observer) ExaminationEnded(ctx context.Context, x task.Examination) {
	o.figures.examinations.WithLabelValues(x.Environment, string(x.Kind), string(x.State)).Observe(seconds(x.CreatedAt, x.FinishedAt))
	telemetry.ScopeOf(ctx).Keep()
	o.tracer.EmitFor(string(x.Task), telemetry.Span{
		ID: telemetry.SpanOf("examination/" + x.ID), Name: string(x.Kind), Start: x.CreatedAt, End: x.FinishedAt, Failed: x.State != task.ExaminationPassed,
		Attributes: []telemetry.Attribute{
			telemetry.String("coderflow.task", string(x.Task)), telemetry.String("coderflow.examination", x.ID), telemetry.String("coderflow.environment", x.Environment),
			telemetry.String("coderflow.name", x.Name), telemetry.String("coderflow.outcome", string(x.State)),
		},
	})
}

// called tells of requests to a forge; the nil observer of none.
func (o *observer) called(host string) func(context.Context, wire.Call) {
	if o == nil {
		return nil
	}
	o.figures.serves(host)
	return func(ctx context.Context, c wire.Call) {
		o.figures.called(host, c)
		o.tracer.Done(ctx, telemetry.Span{
			Name: "forge " + c.Operation, Kind: telemetry.Client, Start: c.Started, End: c.Started.Add(c.Took), Failed: c.Status == 0 || c.Status >= 400,
			Attributes: []telemetry.Attribute{
				telemetry.String("coderflow.forge", host), telemetry.String("http.request.method", c.Method), telemetry.Int("http.response.status_code", c.Status),
				telemetry.Bool("coderflow.repeated", c.Repeated),
			},
		})
	}
}

// exchanged tells of a request through the gateway; the nil observer of none.
func (o *observer) exchanged(r task.ModelRequest) {
	if o == nil {
		return
	}
	o.tracer.EmitFor(string(r.Task), telemetry.Span{
		Name: "model request", Kind: telemetry.Client, Start: r.At, End: r.At.Add(r.Took), Failed: r.Refused != "" || r.Status == 0 || r.Status >= 400,
		Attributes: []telemetry.Attribute{
			telemetry.String("coderflow.task", string(r.Task)), telemetry.String("coderflow.environment", r.Environment), telemetry.String("coderflow.provider", r.Provider),
			telemetry.Int("http.response.status_code", r.Status), telemetry.Bool("coderflow.refused", r.Refused != ""),
			telemetry.Int("coderflow.tokens.input", r.Usage.InputTokens), telemetry.Int("coderflow.tokens.output", r.Usage.OutputTokens),
		},
	})
}
