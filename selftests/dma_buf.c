// SPDX-License-Identifier: GPL-2.0
/*
 * Pins as dma-bufs: what importers and processes see through them, what they
 * may do, and that the pin lives as long as any of them.
 */
#include "dma.h"
#include "pin.h"

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/resource.h>

#include "kselftest_harness.h"

#define FIRST	1ULL	/* what is pinned */
#define PINNED	5ULL

#define DEV_READ	DMA_TEST_READ
#define DEV_WRITE	DMA_TEST_WRITE
#define DEV_BOTH	(DMA_TEST_READ | DMA_TEST_WRITE)

FIXTURE(dma) {
	struct vmo_stats start;
	struct pinned p;
	int pin, buf;
};

FIXTURE_SETUP(dma)
{
	self->start = vmo_stats();
	ASSERT_EQ(0, dma_load());
	ASSERT_EQ(0, pinned_setup(&self->p));
	self->pin = vmo_pin(self->p.fd, WRITE, FIRST * PG, PINNED * PG);
	ASSERT_LE(0, self->pin);
	self->buf = vmo_pin_export(self->pin);
	ASSERT_LE(0, self->buf);
}

FIXTURE_TEARDOWN(dma)
{
	struct vmo_stats now;

	EXPECT_EQ(0, vmo_validate());
	if (self->buf >= 0)
		EXPECT_EQ(0, close(self->buf));
	if (self->pin >= 0)
		EXPECT_EQ(0, close(self->pin));
	EXPECT_EQ(0, pinned_teardown(&self->p));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
}

static int close_fd(int *fd)
{
	int rc = vmo_ret(close(*fd));

	*fd = -1;
	return rc;
}

/* --- What is seen through it */

TEST_F(dma, what_it_is)
{
	char path[64], text[1024];

	EXPECT_EQ(PINNED * PG, lseek(self->buf, 0, SEEK_END));
	EXPECT_EQ(O_RDWR, fcntl(self->buf, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->buf, F_GETFD));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->buf);
	ASSERT_LT(0, file_read(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "exp_name:\tcowvmo\n"))
		TH_LOG("%s", text);
}

TEST_F(dma, a_device_sees_the_pages)
{
	int dev = dma_import(self->buf, DEV_BOTH);

	ASSERT_LE(0, dev);
	EXPECT_EQ(0, dma_check(dev, FIRST, PINNED));
	EXPECT_EQ(-ERANGE, dma_read(dev, PINNED * PG));
	EXPECT_EQ(0, close(dev));
}

TEST_F(dma, both_ways)
{
	int dev = dma_import(self->buf, DEV_BOTH);

	ASSERT_LE(0, dev);
	EXPECT_EQ(0, dma_store(dev, 0, 1));
	EXPECT_EQ(0, dma_store(dev, PINNED * PG - 1, 2));
	EXPECT_EQ(1, vmo_get_byte(self->p.fd, FIRST * PG));
	EXPECT_EQ(2, self->p.mem[(FIRST + PINNED) * PG - 1]);
	EXPECT_EQ(0, vmo_put_byte(self->p.fd, FIRST * PG, 3));
	self->p.mem[(FIRST + 1) * PG] = 4;
	EXPECT_EQ(3, dma_read(dev, 0));
	EXPECT_EQ(4, dma_read(dev, PG));
	EXPECT_EQ(0, vmo_zero(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ(0, dma_read(dev, 0));
	EXPECT_EQ(0, dma_store(dev, 0, 5));
	EXPECT_EQ(5, self->p.mem[FIRST * PG]);
	EXPECT_EQ(0, close(dev));
}

/* What a device can take in one piece */
TEST_F(dma, segments)
{
	static const __u32 limits[] = { PG, 2 * PG, 0x10000, ANY_SEGMENT };
	int dev = open(DMA_TEST_DEVICE, O_RDWR);
	struct dma_test_import got;
	unsigned int i;

	ASSERT_LE(0, dev);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		ASSERT_EQ(0, dma_import_into(dev, self->buf, DEV_BOTH,
					     limits[i], &got));
		EXPECT_EQ(PINNED * PG, got.out_bytes);
		EXPECT_GE(limits[i], got.out_largest);
		EXPECT_GE(PINNED, got.out_entries);
		if (limits[i] == PG)
			EXPECT_EQ(PINNED, got.out_entries);
		EXPECT_EQ(0, dma_check(dev, FIRST, PINNED));
		EXPECT_EQ(0, dma_drop(dev));
	}
	/* For a device that cannot even take a page there is no table. */
	EXPECT_EQ(-EINVAL, dma_import_into(dev, self->buf, DEV_BOTH, PG - 1,
					   &got));
	EXPECT_EQ(0, close(dev));
}

TEST_F(dma, several_devices)
{
	int a = dma_import(self->buf, DEV_BOTH);
	int b = dma_import(self->buf, DEV_READ);
	int other = vmo_pin_export(self->pin);
	int c = dma_import(other, DEV_WRITE);

	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_LE(0, c);
	EXPECT_EQ(0, dma_store(a, 5, 50));
	EXPECT_EQ(50, dma_read(b, 5));
	EXPECT_EQ(0, dma_store(c, 6, 60));
	EXPECT_EQ(60, dma_read(a, 6));
	EXPECT_EQ(0, close(a));
	EXPECT_EQ(60, dma_read(b, 6));
	EXPECT_EQ(0, close(b));
	EXPECT_EQ(0, close(other));
	EXPECT_EQ(0, dma_store(c, 7, 70));
	EXPECT_EQ(70, vmo_get_byte(self->p.fd, FIRST * PG + 7));
	EXPECT_EQ(0, close(c));
}

/* A driver that works with it by processor has it in one piece. */
TEST_F(dma, in_one_piece)
{
	int dev = dma_import(self->buf, DEV_BOTH);
	unsigned int i;

	ASSERT_LE(0, dev);
	for (i = 0; i < PINNED; i++) {
		EXPECT_EQ(dma_read(dev, i * PG + 9),
			  dma_kernel(dev, i * PG + 9, false, 0));
		EXPECT_EQ(i, dma_kernel(dev, i * PG, true, i));
		EXPECT_EQ(i, vmo_get_byte(self->p.fd, (FIRST + i) * PG));
	}
	EXPECT_EQ(-ERANGE, dma_kernel(dev, PINNED * PG, false, 0));
	EXPECT_EQ(0, close(dev));
}

TEST_F(dma, a_slice)
{
	int fd = vmo_filled(PAGES, PAGES, 0);
	int slice = vmo_slice(fd, 2 * PG, 4 * PG);
	int pin = vmo_pin(slice, READ, PG, 3 * PG);
	int buf = vmo_pin_export(pin);
	int dev = dma_import(buf, DEV_READ);

	ASSERT_LE(0, dev);
	EXPECT_EQ(0, dma_check(dev, 3, 3));
	close(fd);
	close(slice);
	close(pin);
	close(buf);
	EXPECT_EQ(0, dma_check(dev, 3, 3));
	EXPECT_EQ(0, close(dev));
}

TEST_F(dma, what_is_not_cached)
{
	int fd = vmo_filled(PAGES, PAGES, 0), pin, buf, dev;

	ASSERT_EQ(0, vmo_set_cache_policy(fd, COWVMO_CACHE_UNCACHED));
	pin = vmo_pin(fd, WRITE, 0, 2 * PG);
	buf = vmo_pin_export(pin);
	dev = dma_import(buf, DEV_BOTH);
	ASSERT_LE(0, dev);
	EXPECT_EQ(0, dma_check(dev, 0, 2));
	EXPECT_EQ(3, dma_kernel(dev, PG, true, 3));
	EXPECT_EQ(0, dma_store(dev, 0, 1));
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(fd, COWVMO_CACHE_CACHED));
	close(dev);
	close(buf);
	close(pin);
	EXPECT_EQ(0, vmo_set_cache_policy(fd, COWVMO_CACHE_CACHED));
	EXPECT_EQ(1, vmo_get_byte(fd, 0));
	close(fd);
}

/* --- Mappings of it */

TEST_F(dma, mapped)
{
	unsigned char *mem = vmo_map(self->buf, 0, PINNED * PG, RW);
	unsigned int i;

	ASSERT_NE(NULL, mem);
	pages_note(&self->p);
	for (i = 0; i < PINNED; i++) {
		EXPECT_EQ(0, pat_mem_check(mem + i * PG, FILL + FIRST + i));
		EXPECT_EQ(self->p.pfn[FIRST + i], pfn_of(mem + i * PG));
	}
	mem[7] = 70;
	EXPECT_EQ(70, vmo_get_byte(self->p.fd, FIRST * PG + 7));
	EXPECT_EQ(0, munmap(mem, PINNED * PG));
	mem = vmo_map(self->buf, 2 * PG, PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL + FIRST + 2));
	EXPECT_EQ(0, munmap(mem, PG));
}

static int map_error(int fd, int prot, int flags, __u64 offset, size_t length)
{
	void *mem = mmap(NULL, length, prot, flags, fd, offset);

	if (mem == MAP_FAILED)
		return -errno;
	munmap(mem, length);
	return 0;
}

TEST_F(dma, mapping_errors)
{
	EXPECT_EQ(-EINVAL, map_error(self->buf, RW, MAP_PRIVATE, 0, PG));
	EXPECT_EQ(-EPERM, map_error(self->buf, PROT_READ | PROT_EXEC,
				    MAP_SHARED, 0, PG));
	EXPECT_EQ(-EINVAL, map_error(self->buf, RW, MAP_SHARED, 0,
				     (PINNED + 1) * PG));
	EXPECT_EQ(-EINVAL, map_error(self->buf, RW, MAP_SHARED, PINNED * PG,
				     PG));
}

/* Processes say when they begin and end to work with the memory. */
TEST_F(dma, sync)
{
	static const __u64 flags[] = {
		DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW,
	};
	unsigned char *mem = vmo_map(self->buf, 0, PG, RW);
	int dev = dma_import(self->buf, DEV_BOTH);
	struct dma_buf_sync sync;
	unsigned int i;

	ASSERT_NE(NULL, mem);
	ASSERT_LE(0, dev);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		sync.flags = DMA_BUF_SYNC_START | flags[i];
		EXPECT_EQ(0, ioctl(self->buf, DMA_BUF_IOCTL_SYNC, &sync));
		mem[0] = i;
		sync.flags = DMA_BUF_SYNC_END | flags[i];
		EXPECT_EQ(0, ioctl(self->buf, DMA_BUF_IOCTL_SYNC, &sync));
		EXPECT_EQ(i, dma_read(dev, 0));
	}
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, close(dev));
}

/* --- Of a pin that only reads */

TEST_F(dma, read_only)
{
	int pin = vmo_pin(self->p.fd, READ, FIRST * PG, 2 * PG);
	int buf = vmo_pin_export(pin), dev;
	unsigned char *mem;

	ASSERT_LE(0, buf);
	EXPECT_EQ(O_RDONLY, fcntl(buf, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(-EACCES, map_error(buf, RW, MAP_SHARED, 0, PG));
	mem = vmo_map(buf, 0, PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL + FIRST));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, PG, RW)));
	EXPECT_EQ(0, munmap(mem, PG));

	EXPECT_EQ(-EACCES, dma_import(buf, DEV_WRITE));
	EXPECT_EQ(-EACCES, dma_import(buf, DEV_BOTH));
	dev = dma_import(buf, DEV_READ);
	ASSERT_LE(0, dev);
	EXPECT_EQ(0, dma_check(dev, FIRST, 2));
	EXPECT_EQ(dma_read(dev, PG), dma_kernel(dev, PG, false, 0));
	EXPECT_EQ(-EROFS, dma_kernel(dev, PG, true, 1));
	EXPECT_EQ(0, close(dev));
	close(buf);
	close(pin);
}

TEST_F(dma, of_a_sealed_vmo)
{
	int fd = vmo_filled(2, 2, 0), pin, buf, dev;

	ASSERT_EQ(0, vmo_seal(fd));
	pin = vmo_pin(fd, READ, 0, 2 * PG);
	buf = vmo_pin_export(pin);
	ASSERT_LE(0, buf);
	EXPECT_EQ(-EACCES, dma_import(buf, DEV_BOTH));
	dev = dma_import(buf, DEV_READ);
	EXPECT_LE(0, dev);
	EXPECT_EQ(0, dma_check(dev, 0, 2));
	close(dev);
	close(buf);
	close(pin);
	close(fd);
}

/* --- How long the pin lives */

TEST_F(dma, lives_by_the_descriptor)
{
	EXPECT_EQ(0, close_fd(&self->pin));
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(-EBUSY, vmo_decommit(self->p.fd, FIRST * PG, PG));
	EXPECT_EQ(-EBUSY, vmo_set_size(self->p.fd, FIRST * PG));
	EXPECT_EQ(-EBUSY, vmo_seal(self->p.fd));
	EXPECT_EQ(0, close_fd(&self->buf));
	EXPECT_FALSE(is_pinned(self->p.fd));
	EXPECT_EQ(0, vmo_decommit(self->p.fd, FIRST * PG, PG));
}

TEST_F(dma, lives_by_a_device)
{
	int dev = dma_import(self->buf, DEV_BOTH);

	ASSERT_LE(0, dev);
	EXPECT_EQ(0, close_fd(&self->pin));
	EXPECT_EQ(0, close_fd(&self->buf));
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(0, dma_store(dev, 0, 9));
	EXPECT_EQ(9, vmo_get_byte(self->p.fd, FIRST * PG));
	EXPECT_EQ(0, dma_drop(dev));
	EXPECT_FALSE(is_pinned(self->p.fd));
	EXPECT_EQ(0, close(dev));
}

TEST_F(dma, lives_by_a_mapping)
{
	unsigned char *mem = vmo_map(self->buf, PG, PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, close_fd(&self->pin));
	EXPECT_EQ(0, close_fd(&self->buf));
	EXPECT_TRUE(is_pinned(self->p.fd));
	mem[0] = 9;
	EXPECT_EQ(9, vmo_get_byte(self->p.fd, (FIRST + 1) * PG));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_FALSE(is_pinned(self->p.fd));
}

static int import_some(void *arg)
{
	int buf = *(int *)arg;

	return dma_import(buf, DEV_BOTH) < 0;
}

TEST_F(dma, lives_by_a_process_that_is_killed)
{
	struct holder holder;

	ASSERT_EQ(0, holder_start(&holder, import_some, &self->buf));
	EXPECT_EQ(0, close_fd(&self->pin));
	EXPECT_EQ(0, close_fd(&self->buf));
	EXPECT_TRUE(is_pinned(self->p.fd));
	kill(holder.pid, SIGKILL);
	holder_stop(&holder);
	EXPECT_FALSE(is_pinned(self->p.fd));
}

/* Nobody has a descriptor or mapping of the VMO: the device has its memory. */
TEST_F(dma, keeps_the_vmo)
{
	int fd = vmo_filled(2, 2, 0);
	int pin = vmo_pin(fd, WRITE, 0, 2 * PG);
	int buf = vmo_pin_export(pin);
	int dev = dma_import(buf, DEV_BOTH);
	long vmos = vmo_stat("vmos");

	ASSERT_LE(0, dev);
	close(fd);
	close(pin);
	close(buf);
	EXPECT_EQ(vmos, vmo_stat("vmos"));
	EXPECT_EQ(0, dma_check(dev, 0, 2));
	EXPECT_EQ(0, vmo_validate());
	close(dev);
	EXPECT_EQ(vmos - 1, vmo_stat("vmos"));
}

/* --- Failures */

TEST_F(dma, no_descriptor_left)
{
	struct rlimit limit, none;
	int buf;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	buf = vmo_pin_export(self->pin);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, buf);
}

/* Each allocation fails in turn, and nothing is left of it. */
TEST_F(dma, no_memory_for_a_mapping)
{
	struct vmo_stats before = vmo_stats(), now;
	int dev = -ENOMEM;
	unsigned int n;

	for (n = 1; n < 20 && dev < 0; n++) {
		ASSERT_EQ(-ENOMEM, dev);
		ASSERT_EQ(0, vmo_fail_nth(n));
		dev = dma_import(self->buf, DEV_BOTH);
		now = vmo_stats();
		EXPECT_EQ(0, memcmp(&now, &before, sizeof(now)));
	}
	ASSERT_EQ(0, vmo_fail_nth(0));
	ASSERT_LE(0, dev);
	EXPECT_LT(2, n);
	EXPECT_EQ(0, dma_check(dev, FIRST, PINNED));
	close(dev);
}

/* --- Other exporters, that one knows what the importer is worth */

static int pattern_in(int fd, __u64 pages)
{
	unsigned char *mem = vmo_map(fd, 0, pages * PG, RW);
	unsigned int i;

	if (!mem)
		return -errno;
	for (i = 0; i < pages; i++)
		pat_mem_fill(mem + i * PG, FILL + i);
	return vmo_ret(munmap(mem, pages * PG));
}

static int udmabuf_of(int memfd, __u64 pages)
{
	struct udmabuf_create arg = {
		.memfd = memfd, .size = pages * PG,
	};
	int rc, fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	rc = vmo_ret(ioctl(fd, UDMABUF_CREATE, &arg));
	close(fd);
	return rc;
}

TEST(importer_and_udmabuf)
{
	int memfd = memfd_create("pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int buf, dev;

	if (access("/dev/udmabuf", R_OK))
		SKIP(return, "no udmabuf");
	ASSERT_EQ(0, dma_load());
	ASSERT_EQ(0, ftruncate(memfd, 3 * PG));
	ASSERT_EQ(0, pattern_in(memfd, 3));
	ASSERT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	buf = udmabuf_of(memfd, 3);
	ASSERT_LE(0, buf);
	dev = dma_import(buf, DEV_BOTH);
	ASSERT_LE(0, dev);
	EXPECT_EQ(0, dma_check(dev, 0, 3));
	EXPECT_EQ(0, dma_store(dev, 0, 1));
	EXPECT_EQ(1, vmo_get_byte(memfd, 0));
	close(dev);
	close(buf);
	close(memfd);
}

TEST(importer_and_a_heap)
{
	struct dma_heap_allocation_data arg = {
		.len = 3 * PG, .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	int dev;

	if (heap < 0)
		SKIP(return, "no heap");
	ASSERT_EQ(0, dma_load());
	ASSERT_EQ(0, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &arg));
	ASSERT_EQ(0, pattern_in(arg.fd, 3));
	dev = dma_import(arg.fd, DEV_BOTH);
	ASSERT_LE(0, dev);
	EXPECT_EQ(0, dma_check(dev, 0, 3));
	close(dev);
	close(arg.fd);
	close(heap);
}

/* --- Another importer: a graphics driver, without a device */

TEST_F(dma, vgem)
{
	int vgem, handle, again;
	unsigned char *mem;

	vgem = vgem_open();
	if (vgem == -ENOENT)
		SKIP(return, "no vgem");
	ASSERT_LE(0, vgem);
	handle = vgem_import(vgem, self->buf);
	ASSERT_LT(0, handle);
	/* It gives back the very same. */
	again = vgem_export(vgem, handle);
	ASSERT_LE(0, again);
	EXPECT_EQ(handle, vgem_import(vgem, again));
	EXPECT_EQ(0, close_fd(&self->pin));
	EXPECT_EQ(0, close_fd(&self->buf));
	mem = vmo_map(again, 0, PINNED * PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL + FIRST));
	mem[0] = 1;
	EXPECT_EQ(1, vmo_get_byte(self->p.fd, FIRST * PG));
	EXPECT_EQ(0, munmap(mem, PINNED * PG));
	EXPECT_EQ(0, close(again));
	/* It has attached and mapped it, which keeps the pin. */
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(0, vgem_close(vgem, handle));
	EXPECT_FALSE(is_pinned(self->p.fd));
	close(vgem);
}

TEST_F(dma, vgem_closed)
{
	int vgem;

	vgem = vgem_open();
	if (vgem == -ENOENT)
		SKIP(return, "no vgem");
	ASSERT_LT(0, vgem_import(vgem, self->buf));
	EXPECT_EQ(0, close_fd(&self->pin));
	EXPECT_EQ(0, close_fd(&self->buf));
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(0, close(vgem));
	EXPECT_FALSE(is_pinned(self->p.fd));
}

/* It maps in both directions, whatever will be done. */
TEST_F(dma, vgem_and_read_only)
{
	int pin, buf, vgem = vgem_open();

	if (vgem == -ENOENT)
		SKIP(return, "no vgem");
	pin = vmo_pin(self->p.fd, READ, 0, PG);
	buf = vmo_pin_export(pin);
	EXPECT_EQ(-EACCES, vgem_import(vgem, buf));
	close(vgem);
	close(buf);
	close(pin);
}

TEST_HARNESS_MAIN
