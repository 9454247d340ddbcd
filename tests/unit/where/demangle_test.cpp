// SPDX-License-Identifier: Apache-2.0
#include "where/demangle.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

TEST(Demangle, CppNames) {
  EXPECT_EQ(demangle("_ZN4Pool8checkoutEi"), "Pool::checkout(int)");
  EXPECT_EQ(demangle("main"), "main");
  EXPECT_EQ(demangle("_Zbroken"), "_Zbroken");
}

TEST(Demangle, RustNamesWithoutTheHash) {
  EXPECT_EQ(demangle("_ZN3std2rt10lang_start17h0123456789abcdefE"), "std::rt::lang_start");
  EXPECT_EQ(demangle("_ZN4core3fmt4horn4walkEv"), "core::fmt::horn::walk()");
}

// From rustc 1.95 with -C symbol-mangling-version=legacy.
TEST(Demangle, RustNamesWithEscapes) {
  EXPECT_EQ(demangle("_ZN6hw_leg4main28_$u7b$$u7b$closure$u7d$$u7d$17hffb6e7495675b414E"),
            "hw_leg::main::{{closure}}");
  EXPECT_EQ(demangle("_ZN4core3ops8function6FnOnce40call_once$u7b$$u7b$vtable.shim$u7d$$u7d$"
                     "17h76ecac6bdf469b7eE"),
            "core::ops::function::FnOnce::call_once{{vtable.shim}}");
  EXPECT_EQ(unescape_rust("_$LT$$RF$mut$u20$svc..Pool$u20$as$u20$core..Read$GT$::read"),
            "<&mut svc::Pool as core::Read>::read");
  EXPECT_EQ(unescape_rust("f$LP$a$C$$BP$b$RP$$SP$"), "f(a,*b)@");
}

TEST(Demangle, KeepsWhatIsNoEscape) {
  for (const char* name : {"", "$", "a$LT", "$LTT$", "$u$", "$u7bx$", "$u-7b$", "$u1f600$", "$ua$",
                           "$u202e$", "_a", "a._b", "$$"})
    EXPECT_EQ(unescape_rust(name), name);
}

// From https://doc.rust-lang.org/rustc/symbol-mangling/v0.html, and from rustc 1.95 itself.
TEST(Demangle, RustV0) {
  EXPECT_EQ(demangle("_RNvCs15kBYyAo9fc_7mycrate7example"), "mycrate::example");
  EXPECT_EQ(demangle("_RNCNvCsgStHSCytQ6I_7mycrate4main0B3_"), "mycrate::main::{closure#0}");
  EXPECT_EQ(demangle("_RNCNvCsgStHSCytQ6I_7mycrate4mains_0B3_"), "mycrate::main::{closure#1}");
  EXPECT_EQ(demangle("_RINvCsgStHSCytQ6I_7mycrate7examplelEB2_"), "mycrate::example");
  EXPECT_EQ(demangle("_RNvMs_CsgStHSCytQ6I_7mycrateINtB4_7ExamplejE3new"),
            "<mycrate::Example<usize>>::new");
  EXPECT_EQ(demangle("_RNvXCs15kBYyAo9fc_7mycrateNtB2_4PoolNtB2_5Trait3run"),
            "<mycrate::Pool as mycrate::Trait>::run");
  EXPECT_EQ(demangle("_RNvMCs1_4poolRShm3put"), "_RNvMCs1_4poolRShm3put") << "damaged";
}

TEST(Demangle, EndsForAnyName) {
  std::string nested = "_R";
  for (int i = 0; i < 200; ++i) nested += "Nv";
  EXPECT_EQ(demangle(nested), nested);
  // Each back reference doubles what it prints.
  std::string doubling = "_RXC1aTuuE";
  for (const char* reference : {"B4_", "B7_", "Bb_", "Bf_", "Bj_", "Bn_", "Br_", "Bv_"})
    doubling += std::string("T") + reference + reference + "E";
  EXPECT_LE(demangle(doubling).size(), 8192U);
  EXPECT_EQ(demangle(std::string(100'000, 'R')), std::string(100'000, 'R'));
  EXPECT_EQ(demangle("_R"), "_R");
  EXPECT_EQ(demangle("_RB_"), "_RB_");
  EXPECT_EQ(demangle("_RNvC99999999999999999999a"), "_RNvC99999999999999999999a");
}

}  // namespace
}  // namespace tcpdwell
