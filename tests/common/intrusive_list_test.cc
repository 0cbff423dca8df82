#include "common/intrusive_list.h"

#include <gtest/gtest.h>
#include <vector>

namespace fsrv {
namespace {

struct Item {
    int value = 0;
    ListHook<Item> hook;
};
using Items = IntrusiveList<Item, &Item::hook>;

std::vector<int> values(const Items& list) {
    std::vector<int> out;
    for (const Item* item = list.front(); item; item = Items::next(*item)) {
        out.push_back(item->value);
    }
    return out;
}

TEST(IntrusiveList, KeepsTheOrderOfInsertion) {
    Items list;
    Item a{.value = 1}, b{.value = 2}, c{.value = 3};
    EXPECT_TRUE(list.empty());
    for (Item* item : {&a, &b, &c}) list.push_back(*item);
    EXPECT_EQ(values(list), (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(list.size(), 3U);
}

TEST(IntrusiveList, WhoJumpsTheQueueComesFirst) {
    Items list;
    Item a{.value = 1}, b{.value = 2}, c{.value = 3};
    list.push_front(a);
    list.push_front(b);
    list.push_back(c);
    EXPECT_EQ(values(list), (std::vector<int>{2, 1, 3}));
    list.remove(b);
    EXPECT_EQ(values(list), (std::vector<int>{1, 3}));
}

TEST(IntrusiveList, RemovesAtEveryPlace) {
    for (const int gone : {0, 1, 2}) {
        Items list;
        Item items[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
        for (Item& item : items) list.push_back(item);
        list.remove(items[gone]);
        std::vector<int> expected{0, 1, 2};
        expected.erase(expected.begin() + gone);
        EXPECT_EQ(values(list), expected);
        list.push_back(items[gone]); // free to be in a list again
        expected.push_back(gone);
        EXPECT_EQ(values(list), expected);
    }
}

TEST(IntrusiveList, IsEmptyAgainAfterItsLastElement) {
    Items list;
    Item only{.value = 7};
    list.push_back(only);
    list.remove(only);
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.size(), 0U);
    EXPECT_EQ(list.front(), nullptr);
}

} // namespace
} // namespace fsrv
