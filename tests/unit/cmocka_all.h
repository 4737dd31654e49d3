/* cmocka_all.h: cmocka with the headers that it wants before it. */
#ifndef TENON_TESTS_UNIT_CMOCKA_ALL_H
#define TENON_TESTS_UNIT_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#endif
