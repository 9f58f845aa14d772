/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exactly once: what a request notes in its record (base/inflight.h) so that the successor of a
 * worker that died meanwhile can serve it again and the guest cannot tell.
 *
 * An operation that is not harmless to repeat notes an intent before its effect. The repetition
 * finds one of these states:
 *
 *   NEW     nothing was begun: it is served as if for the first time.
 *   INTENT  the effect may be there or not: the table tells how it is recognised.
 *   DONE    it is there: the answer is what was noted.
 *
 * What was made or opened becomes visible in the arena's tables by one store. Just before, its
 * nodeid or fh is noted (N, H below). A slot whose filling or clearing a death has cut short gets
 * another generation when it is adopted, so a key that was noted is live only if it is the one.
 *
 *   operation       noted               the repetition
 *   MKDIR MKNOD     time, N             N live: answers with it, not counting it again.
 *   SYMLINK                             Otherwise makes it. EEXIST and the name leads to what is
 *                                       surely ours (below): gives it its label and goes on.
 *   CREATE          time, N, H          The same; H live: that is the handle. Otherwise it opens
 *                                       what was made. If the name existed before: as OPEN, the
 *                                       lookup that was counted (C) is not counted again.
 *   TMPFILE         N, H                N live: the same. Otherwise it is gone with its
 *                                       descriptor, and another is made.
 *   LINK            that it began       EEXIST and the name leads to this inode: it is done.
 *   UNLINK RMDIR    time                The name is gone, and the directory has changed since, or
 *                                       it leads elsewhere (below): it is done.
 *   RENAME          time                The old name is gone or leads elsewhere and the new one is
 *                                       there: it is done. Two names of one inode: nothing to do,
 *                                       as the first time. NOREPLACE and WHITEOUT alike.
 *   RENAME          both identities     The new name leads to what the old one led to: done.
 *    EXCHANGE
 *   OPEN OPENDIR    H                   H live: that is the handle. Otherwise opens.
 *   RELEASE(DIR)    nodeid              No such handle: it is done, but for the locks.
 *   WRITE O_APPEND  size, bytes before  What the file has grown by is compared with the data: what
 *                                       is there of them is not written again, the rest is.
 *   FALLOCATE       size                Size changed by the length: done. Only for modes that
 *    collapse/insert                    move data; all others set what they name.
 *   SETXATTR        that it was absent  It is there with this value: the flag is dropped.
 *    XATTR_CREATE
 *   REMOVEXATTR     that it was there   ENODATA: done.
 *   IOCTL           that it had none    EEXIST: done. Other commands read, or set what they name.
 *    ENABLE_VERITY
 *   FSYNC SYNCFS    an error            The kernel tells it once: it is told again.
 *   FLUSH
 *   FORGET          that it began       Not given back twice: a lookup too many costs memory, one
 *   BATCH_FORGET    how many            too few a file in use. At most one entry is left out.
 *
 * Everything else is repeated as it is. LOOKUP and READDIRPLUS may count a lookup that no reply
 * carried, READ and the rest only look. A write at an offset writes the same bytes, a copy the same
 * range (the kernel refuses ranges that overlap in one file), and so does a change of mode, owner,
 * times, size, attributes or flags set what it names: the guest's kernel holds the inode for it, so
 * that nothing else of this guest came in between; and what others did in between might as well
 * have happened before. The same goes for O_TRUNC, whose second time empties what a third party
 * wrote while the open was not answered. Set-id bits are dropped by the kernel with each change. A
 * new node has its owner and mode from the call that makes it, which acts as the caller; only a
 * label comes later, and before the node is known. lseek moves no position that anybody uses. Locks
 * are set for an owner, who may set them twice.
 *
 * What the guest knows is its own, and nobody else in the guest can make a name known meanwhile: its
 * kernel holds the directory until the reply. So a name about to be removed or moved leads to a
 * known inode; if what it leads to is not known, and has changed since the intent, somebody else on
 * the host put it there after ours was gone, and it stays. A name that is in the way of what is made
 * is ours only if it leads to an inode that is not known, has the type, permissions (or fewer),
 * owner, device number or target that were asked for, is empty if it is a file, and was born
 * between the intent and the start of this process, which is after the death of the last. A file of
 * the host that passes had to be made by the same user in the milliseconds of the death, and after
 * the intent but before the effect. Where the clock is a server's, that the name was absent is
 * looked up before and noted instead.
 *
 * Left over: an append is not recognised if only part of it was written and others appended behind
 * it, or taken for done if another wrote the same bytes to the same place; a file system that keeps
 * no owners, or no times to the second, answers EEXIST for what was made just before a death; an
 * error of fsync is lost if the worker dies between the kernel's answer and its note.
 */
#ifndef FUSE_PASSTHROUGH_FS_INTENT_H
#define FUSE_PASSTHROUGH_FS_INTENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/intent.h"
#include "fuse/passthrough/fs.h"

/* ---- Where only the host can tell: fs-intent.c ---- */

struct node_ref;
struct inode_slot;

enum intent_name {
	INTENT_NAME_GONE,
	INTENT_NAME_SAME, /* leads to what the guest means */
	INTENT_NAME_ELSEWHERE,
};

/* Where a name leads that the request was to remove or move. enum intent_name or -errno. */
int intent_name(struct fs_thread *thread, const struct inode_slot *dir, const char *name);

/* What a request is to make. */
struct intent_made {
	const struct fs_caller *caller;
	uint32_t mode; /* with the type */
	uint32_t rdev;
	const char *target; /* of a symbolic link */
};

/* Before anything is made under a name (NULL: without). */
void intent_make(struct fs_thread *thread, const struct inode_slot *dir, const char *name);

/* The O_PATH descriptor of what a predecessor made under this name; -EEXIST when it is not ours. */
int intent_open_made(struct fs_thread *thread, const struct inode_slot *dir, const char *name,
		     const struct intent_made *made);

/* The node that was noted (INTENT_NODE or INTENT_COUNTED), as if just looked up in `dir`. */
bool intent_entry(struct fs_thread *thread, const struct node_ref *dir, enum intent_word which,
		  struct fs_entry *ret_entry);

/* As renameat2(2) with RENAME_EXCHANGE: notes what is where. 1 when it was exchanged before. */
int intent_exchange(struct fs_thread *thread, int dir_fd, const char *name, int new_dir_fd,
		    const char *new_name);

/* Notes the size before data are moved by `delta`; 1 when they have been. */
int intent_resize(struct fs_thread *thread, int fd, int64_t delta);

/* ---- Appending: fs-append.c ---- */

struct fs_append {
	int fd;
	const struct iovec *iov;
	unsigned int n_iov;
	uint64_t offset; /* says only whether it can be: the data goes to the end */
	int rwf;	 /* with RWF_APPEND */
};

/* Returns the bytes of this piece that are in the file now, or -errno. */
ssize_t fs_append(struct fs_thread *thread, const struct fs_append *append);

#endif
