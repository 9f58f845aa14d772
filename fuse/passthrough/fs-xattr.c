/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes, and with them POSIX ACLs and security labels.
 *
 * Nothing is opened: each call goes by path, through the link that /proc/self/fd has for the
 * node's O_PATH descriptor. That link is the only one followed, so a symbolic link or a device is
 * met itself. Until Linux 6.13 such calls take no directory descriptor, hence each thread that
 * needs them makes /proc/self/fd its working directory.
 *
 * A name passes two gates: ACLs exist for the guest only if INIT agreed on them, since a guest
 * that does not check them must not believe in them; and the map, if there is one.
 */
#include "fuse/passthrough/fs-internal.h"

#include <sched.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuse/passthrough/creds.h"
#include "fuse/passthrough/xattr-map.h"

#define CAPABILITY  "security.capability"
#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

_Static_assert(FS_XATTR_MAX_BYTES == XATTR_SIZE_MAX, "the kernel's limit");
_Static_assert(FS_DIRBUF_BYTES >= XATTR_LIST_MAX, "a whole list fits");

/* ---- Names ---- */

static bool name_is_hidden_acl(const struct fs *fs, const char *name)
{
	return (strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0) &&
	       !__atomic_load_n(&fs->posix_acl, __ATOMIC_RELAXED);
}

static int host_name(const struct fs *fs, const char *name, struct xmap_name *room,
		     const char **ret_name)
{
	/* As the kernel answers them. */
	if (!name[0] || strlen(name) > XATTR_NAME_MAX)
		return -ERANGE;
	if (name_is_hidden_acl(fs, name))
		return -EOPNOTSUPP;
	if (fs->xattr_map)
		return xmap_to_host(fs->xattr_map, name, room, ret_name);
	*ret_name = name;
	return 0;
}

static const char *guest_name(const struct fs *fs, const char *name)
{
	if (fs->xattr_map)
		name = xmap_to_guest(fs->xattr_map, name);
	return name && !name_is_hidden_acl(fs, name) ? name : NULL;
}

void fs_xattr_init(struct fs *fs, const struct fs_options *options)
{
	struct xmap_name *room = &fs->renamed_capability;
	const char *name = NULL;

	fs->xattr_map = options->xattr_map;
	/* Fails where the guest cannot set it at all. */
	if (fs->xattr_map)
		(void)xmap_to_host(fs->xattr_map, CAPABILITY, room, &name);
	if (name != room->text)
		room->text[0] = '\0';
}

/* ---- Nodes ---- */

/* What a request about attributes acts on. */
struct place {
	struct node_ref node; /* pinned */
	struct fd_name path;  /* below the working directory of the thread */
	struct xmap_name room;
	const char *name; /* on the host */
};

static void place_put(struct place *place)
{
	node_put(&place->node);
}

/* The daemon has made sure at its start that this is permitted. */
static int enter_fds(struct fs_thread *thread)
{
	if (likely(thread->in_fds))
		return 0;
	if (unshare(CLONE_FS) < 0 || fchdir(thread->fs->proc_self_fd) < 0)
		return -EOPNOTSUPP;
	thread->in_fds = true;
	return 0;
}

/* `name` NULL: all of them. */
static int place_get(struct fs_thread *thread, uint64_t nodeid, const char *name,
		     struct place *place)
{
	int r;

	place->name = NULL;
	place->node = node_of(thread, nodeid);
	if (!place->node.slot)
		return place->node.error;
	if (name) {
		r = host_name(thread->fs, name, &place->room, &place->name);
		if (r < 0)
			return r;
	}
	r = enter_fds(thread);
	if (r < 0)
		return r;
	place->path = fd_name(place->node.slot->fd);
	fs_may_block_on(thread, place->node.slot->backing);
	return 0;
}

/* ---- Operations ---- */

/*
 * For the access list of a file whose group the guest's caller is not in. The kernel drops the
 * set-group-ID bit for us only if we are not in that group either.
 */
static int drop_setgid(struct fs *fs, const struct place *place)
{
	struct statx stx;
	int r = fs_statx(place->node.slot->fd, "", &stx);

	if (r < 0 || !(stx.stx_mode & S_ISGID))
		return r;
	return neg_errno(fchmodat(fs->proc_self_fd, place->path.text,
				  stx.stx_mode & 07777 & ~(mode_t)S_ISGID, 0));
}

static int set_acl_as_stranger(struct fs *fs, const struct place *place,
			       const struct fs_xattr *xattr, int flags)
{
	cleanup_creds struct creds_scope scope = { 0 };
	int r = creds_drop_fsetid(&scope, FS_NO_ID);

	if (r == 0)
		r = neg_errno(
			setxattr(place->path.text, place->name, xattr->value, xattr->size, flags));
	if (r == 0 && strcmp(xattr->name, ACL_ACCESS) == 0)
		r = drop_setgid(fs, place);
	return r;
}

static bool has_value(struct fs_thread *thread, const struct place *place,
		      const struct fs_xattr *xattr)
{
	ssize_t n;

	thread->rest.at = thread->rest.end; /* overwritten */
	n = getxattr(place->path.text, place->name, thread->dirbuf, FS_DIRBUF_BYTES);
	return n >= 0 && (size_t)n == xattr->size &&
	       memcmp(thread->dirbuf, xattr->value, xattr->size) == 0;
}

static bool is_there(const struct place *place)
{
	return getxattr(place->path.text, place->name, NULL, 0) >= 0;
}

/*
 * Whoever must make the attribute notes that it was not there. If it is by now, and as it should be,
 * a dead worker has made it for this request: it may be set again.
 */
static int flags_once(struct fs_thread *thread, const struct place *place,
		      const struct fs_xattr *xattr)
{
	struct inflight *record = thread->inflight;

	if (likely(!(xattr->flags & XATTR_CREATE)) || !record)
		return (int)xattr->flags;
	if (intent_repeats(record))
		return (int)(has_value(thread, place, xattr) ? 0 : xattr->flags);
	if (!is_there(place))
		intent_begin(record);
	return (int)xattr->flags;
}

int fs_setxattr(struct fs_thread *thread, uint64_t nodeid, const struct fs_xattr *xattr)
{
	CLEANUP(place_put) struct place place;
	int flags, r = place_get(thread, nodeid, xattr->name, &place);

	if (r < 0)
		return r;
	if (xattr->flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (xattr->size > FS_XATTR_MAX_BYTES)
		return -E2BIG;
	if (thread->fs->readonly)
		return -EROFS;
	flags = flags_once(thread, &place, xattr);
	if (xattr->acl_kill_sgid)
		return set_acl_as_stranger(thread->fs, &place, xattr, flags);
	return neg_errno(setxattr(place.path.text, place.name, xattr->value, xattr->size, flags));
}

ssize_t fs_getxattr(struct fs_thread *thread, uint64_t nodeid, const char *name, void *value,
		    size_t size)
{
	CLEANUP(place_put) struct place place;
	int r = place_get(thread, nodeid, name, &place);

	/* The map forbids it. Programs that show all they can do not expect that of one. */
	if (r == -EPERM)
		return -ENODATA;
	if (r < 0)
		return r;
	return neg_errno(getxattr(place.path.text, place.name, value, size));
}

/* What the guest is to see of the `len` bytes of names in `list`, packed at its start. */
static size_t keep_visible(const struct fs *fs, char *list, size_t len)
{
	size_t used = 0;

	for (size_t at = 0, next; at < len; at = next) {
		const char *name = guest_name(fs, list + at);

		next = at + strnlen(list + at, len - at) + 1;
		if (!name)
			continue;
		/* A visible name is a tail of the host's, so the rest of the list stays whole. */
		memmove(list + used, name, strlen(name) + 1);
		used += strlen(list + used) + 1;
	}
	return used;
}

ssize_t fs_listxattr(struct fs_thread *thread, uint64_t nodeid, char *names, size_t size)
{
	CLEANUP(place_put) struct place place;
	char *list = thread->dirbuf;
	ssize_t len = place_get(thread, nodeid, NULL, &place);
	size_t used;

	thread->rest.at = thread->rest.end; /* overwritten */
	if (len == 0)
		len = neg_errno(listxattr(place.path.text, list, FS_DIRBUF_BYTES - 1));
	if (len < 0)
		return len == -ERANGE ? -E2BIG : len;
	list[len] = '\0';
	used = keep_visible(thread->fs, list, (size_t)len);
	if (size == 0)
		return (ssize_t)used;
	if (used > size)
		return -ERANGE;
	memcpy(names, list, used);
	return (ssize_t)used;
}

int fs_removexattr(struct fs_thread *thread, uint64_t nodeid, const char *name)
{
	CLEANUP(place_put) struct place place;
	int r = place_get(thread, nodeid, name, &place);

	if (r < 0)
		return r;
	if (thread->fs->readonly)
		return -EROFS;
	if (thread->inflight && !intent_repeats(thread->inflight) && is_there(&place))
		intent_begin(thread->inflight);
	r = neg_errno(removexattr(place.path.text, place.name));
	/* It was there before a dead worker began. */
	return r == -ENODATA && intent_repeats(thread->inflight) ? 0 : r;
}

/* ---- For other operations ---- */

/* The kernel lets nobody set such attributes on anything but regular files and directories. */
static bool cannot_have(int fd, const char *name)
{
	struct statx stx;

	return strncmp(name, "user.", 5) == 0 && fs_statx(fd, "", &stx) == 0 &&
	       !S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode);
}

int fs_label_fd(struct fs_thread *thread, int fd, const struct fs_label *label)
{
	struct fd_name path = fd_name(fd);
	struct xmap_name room;
	const char *name = NULL;
	int r = host_name(thread->fs, label->name, &room, &name);

	if (r == 0)
		r = enter_fds(thread);
	if (r < 0)
		return r;
	r = neg_errno(setxattr(path.text, name, label->value, label->size, 0));
	/* A guest whose labels are kept there must be able to make links, pipes and sockets. */
	return r == -EPERM && cannot_have(fd, name) ? 0 : r;
}

static int removed(int r)
{
	return r == -ENODATA || r == -EOPNOTSUPP ? 0 : r;
}

int fs_remove_renamed_capability(const struct fs *fs, int fd)
{
	return removed(neg_errno(fremovexattr(fd, fs->renamed_capability.text)));
}

int fs_remove_renamed_capability_by_path(struct fs_thread *thread, int path_fd)
{
	struct fd_name path = fd_name(path_fd);
	int r = enter_fds(thread);

	if (r < 0)
		return r;
	return removed(neg_errno(removexattr(path.text, thread->fs->renamed_capability.text)));
}
