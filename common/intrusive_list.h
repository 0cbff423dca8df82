// Doubly linked list through its elements: no allocation, O(1) removal, order of insertion. An
// element is in one list at most. Owns nothing. Used to keep the connections of one state in the
// order of their deadlines.
#pragma once

#include <cstddef>

namespace fsrv {

template <class T>
struct ListHook {
    T* next = nullptr;
    T* previous = nullptr;
};

template <class T, ListHook<T> T::*Hook>
class IntrusiveList final {
  public:
    bool empty() const { return head_ == nullptr; }
    std::size_t size() const { return size_; }
    T* front() const { return head_; }
    static T* next(const T& element) { return (element.*Hook).next; }

    void push_back(T& element) {
        (element.*Hook).previous = tail_;
        (element.*Hook).next = nullptr;
        (tail_ ? (tail_->*Hook).next : head_) = &element;
        tail_ = &element;
        ++size_;
    }

    void push_front(T& element) {
        (element.*Hook).previous = nullptr;
        (element.*Hook).next = head_;
        (head_ ? (head_->*Hook).previous : tail_) = &element;
        head_ = &element;
        ++size_;
    }

    void remove(T& element) {
        ListHook<T>& hook = element.*Hook;
        (hook.previous ? (hook.previous->*Hook).next : head_) = hook.next;
        (hook.next ? (hook.next->*Hook).previous : tail_) = hook.previous;
        hook = {};
        --size_;
    }

  private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace fsrv
