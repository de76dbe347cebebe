package web

import (
	"net/http"

	"github.com/coderflow/coderflow/internal/task"
)

// listExaminations gives the checks and judges of a task, of all revisions, oldest first.
func listExaminations(c *call) error {
	all, err := c.s.API.TaskBook.Examinations(c.Request().Context(), c.task.ID)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, page[task.Examination]{Items: append([]task.Examination{}, all...)})
}

func showExamination(c *call) error {
	if err := c.readExamination(); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, c.exam)
}

// examinationLog answers with a piece of what the examination's container wrote.
func examinationLog(c *call) error {
	if err := c.readExamination(); err != nil {
		return err
	}
	return writtenLog(c)
}

// readExamination finds the one that the path names among those of the task, so that
// another task's is as unknown as one that is not there.
func (c *call) readExamination() error {
	all, err := c.s.API.TaskBook.Examinations(c.Request().Context(), c.task.ID)
	if err != nil {
		return err
	}
	c.exam, err = examOf(all, c.Param("exam"))
	return err
}
