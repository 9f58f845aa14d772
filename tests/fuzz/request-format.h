/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input of fuzz-request.
 *
 * One byte of session flags, then requests: flags (1 byte), length (2), writable bytes (2), and
 * the bytes of the message as a guest sends them. A word of the message (8 bytes, aligned, in the
 * header or the first 64 bytes behind it) whose upper half is one of the marks below is replaced
 * by the node or handle number that the request with that position in the input was answered
 * with, so that inputs outlive changes of how ids are made.
 */
#ifndef TESTS_FUZZ_REQUEST_FORMAT_H
#define TESTS_FUZZ_REQUEST_FORMAT_H

enum request_session_flags {
	REQUEST_SESSION_NO_INIT = 1,
	REQUEST_SESSION_READONLY = 2,
	REQUEST_SESSION_NO_GROUPS = 4,
	REQUEST_SESSION_LOCKS = 8,
	REQUEST_SESSION_CACHE = 3 << 4, /* enum fs_cache */
	REQUEST_SESSION_XATTR = 64,	/* under other names, with ACLs and labels */
	REQUEST_SESSION_EXCLUSIVE = 128,
};

enum request_flags {
	REQUEST_DAMAGED = 1,
	REQUEST_SPLIT = 3 << 1, /* into this many more pieces, both ways */
};

#define REQUEST_MARK_NODE   0x4e4f4445u /* then the position in the low half */
#define REQUEST_MARK_HANDLE 0x48414e44u
#define REQUEST_MAX	    64

#endif
