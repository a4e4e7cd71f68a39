// SPDX-License-Identifier: GPL-2.0
/* What the headers in linux/ promise. */
#include <stdlib.h>

#include <linux/slab.h>

struct kmem_cache {
	size_t size;
};

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *))
{
	struct kmem_cache *cache = malloc(sizeof(*cache));

	if (cache)
		cache->size = size;
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	free(cache);
}

noinline void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	return malloc(cache->size);
}

/* All or nothing. */
noinline int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp,
				   size_t nr, void **objects)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		objects[i] = malloc(cache->size);
		if (!objects[i])
			break;
	}
	if (i == nr)
		return nr;
	while (i--)
		free(objects[i]);
	return 0;
}

noinline void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	free(object);
}

void *kvmalloc(size_t size, gfp_t gfp)
{
	return malloc(size);
}

void *kvzalloc(size_t size, gfp_t gfp)
{
	return calloc(1, size);
}

void kvfree(const void *p)
{
	free((void *)p);
}
