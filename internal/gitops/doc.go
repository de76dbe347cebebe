// Package gitops is all that CoderFlow does with git on the host: mirrors of
// repositories, the tree made of an agent's changes, diffs, the inert commit of
// a proposal, and the commit and push that an approval permits.
//
// Everything it reads was written by a stranger. Its rules:
//
//   - Bare repositories only. Content of a repository or of an agent is never
//     written to the host's file system under a name of theirs, and there is no
//     git work tree with a file in it. So there is nothing for a hook, a filter,
//     a monitor or an attribute to act on.
//   - One place starts git ([Git.run]): fixed environment, pinned settings, no
//     shell, bounded output, a deadline that ends the whole process group.
//   - New objects are made in a quarantine and enter the mirror only as one pack
//     that git index-pack --strict accepted, after every other check.
//   - What lands is a stored tree on a pinned base. No patch is applied, ever.
//   - Pushing takes either an inert proposal commit, which can go to the task's
//     own branch only, or an approval.Grant, which says everything else itself.
package gitops
