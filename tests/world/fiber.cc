#include "tests/world/fiber.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "schema/result.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define PAWL_FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define PAWL_FIBER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define PAWL_FIBER_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define PAWL_FIBER_TSAN 1
#endif
#ifdef PAWL_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef PAWL_FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(PAWL_FIBER_ASAN) || defined(PAWL_FIBER_TSAN)
#define PAWL_FIBER_SANITIZED 1
#endif

namespace pawl::hostile {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t stack_bytes = 256 * 1024;

/// Not a std::exception: nothing but the fiber itself may catch it.
struct Unwound {};

/// Reused stacks, each above a guard page.
class Stacks {
 public:
  ~Stacks() {
    for (std::byte* stack : free_) ::munmap(stack - page_bytes, page_bytes + stack_bytes);
  }
  std::byte* take() {
    if (!free_.empty()) {
      std::byte* stack = free_.back();
      free_.pop_back();
      return stack;
    }
    void* memory =
        ::mmap(nullptr, page_bytes + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    PAWL_ASSERT(memory != MAP_FAILED);
    PAWL_ASSERT(::mprotect(memory, page_bytes, PROT_NONE) == 0);
    return static_cast<std::byte*>(memory) + page_bytes;
  }
  void give_back(std::byte* stack) {
#ifdef PAWL_FIBER_ASAN
    __asan_unpoison_memory_region(stack, stack_bytes);
#endif
    free_.push_back(stack);
  }

 private:
  std::vector<std::byte*> free_;
};

thread_local Stacks stacks;

}  // namespace

struct Fiber::Impl {
  std::function<void()> body;
  std::byte* stack = nullptr;
  ucontext_t own{};
#ifdef PAWL_FIBER_SANITIZED
  ucontext_t resumer{};
#else
  // After the first time: swapcontext makes two system calls per switch for the signal mask, which cost more than
  // everything else.
  jmp_buf own_at{};
  jmp_buf resumer_at{};
  bool begun = false;
#endif
  bool ended = false;
  bool to_unwind = false;
#ifdef PAWL_FIBER_ASAN
  void* own_fake = nullptr;
  void* resumer_fake = nullptr;
  const void* resumer_stack = nullptr;
  std::size_t resumer_bytes = 0;
#endif
#ifdef PAWL_FIBER_TSAN
  void* own_tsan = __tsan_create_fiber(0);
  void* resumer_tsan = nullptr;
#endif

  void enter() {
#ifdef PAWL_FIBER_ASAN
    __sanitizer_start_switch_fiber(&resumer_fake, stack, stack_bytes);
#endif
#ifdef PAWL_FIBER_TSAN
    resumer_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(own_tsan, 0);
#endif
#ifdef PAWL_FIBER_SANITIZED
    ::swapcontext(&resumer, &own);
#else
    if (_setjmp(resumer_at) == 0) {
      if (std::exchange(begun, true)) _longjmp(own_at, 1);
      ::setcontext(&own);
    }
#endif
#ifdef PAWL_FIBER_ASAN
    __sanitizer_finish_switch_fiber(resumer_fake, nullptr, nullptr);
#endif
  }

  void entered() {
#ifdef PAWL_FIBER_ASAN
    __sanitizer_finish_switch_fiber(own_fake, &resumer_stack, &resumer_bytes);
#endif
  }

  void leave() {
#ifdef PAWL_FIBER_ASAN
    __sanitizer_start_switch_fiber(ended ? nullptr : &own_fake, resumer_stack, resumer_bytes);
#endif
#ifdef PAWL_FIBER_TSAN
    __tsan_switch_to_fiber(resumer_tsan, 0);
#endif
#ifdef PAWL_FIBER_SANITIZED
    ::swapcontext(&own, &resumer);
#else
    if (_setjmp(own_at) == 0) _longjmp(resumer_at, 1);
#endif
    entered();
  }

  static void main(unsigned high, unsigned low) {
    const std::uintptr_t address = (static_cast<std::uintptr_t>(high) << 32) | low;
    Impl& impl = *reinterpret_cast<Impl*>(address);
    impl.entered();
    try {
      if (!impl.to_unwind) impl.body();
    } catch (const Unwound&) {
    }
    impl.ended = true;
    impl.leave();
  }
};

Fiber::Fiber(std::function<void()> body) : impl_(std::make_unique<Impl>()) {
  impl_->body = std::move(body);
  impl_->stack = stacks.take();
  PAWL_ASSERT(::getcontext(&impl_->own) == 0);
  impl_->own.uc_stack.ss_sp = impl_->stack;
  impl_->own.uc_stack.ss_size = stack_bytes;
  impl_->own.uc_link = nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(impl_.get());
  // makecontext passes ints only.
  ::makecontext(&impl_->own, reinterpret_cast<void (*)()>(&Impl::main), 2, static_cast<unsigned>(address >> 32),
                static_cast<unsigned>(address & 0xffffffff));
}

Fiber::~Fiber() {
  if (!impl_->ended) {
    impl_->to_unwind = true;
    impl_->enter();
    PAWL_ASSERT(impl_->ended);
  }
#ifdef PAWL_FIBER_TSAN
  __tsan_destroy_fiber(impl_->own_tsan);
#endif
  stacks.give_back(impl_->stack);
}

void Fiber::resume() {
  PAWL_ASSERT(!impl_->ended);
  impl_->enter();
}

bool Fiber::has_ended() const {
  return impl_->ended;
}

void Fiber::suspend() {
  impl_->leave();
  if (impl_->to_unwind) throw Unwound{};
}

}  // namespace pawl::hostile
